"""The generated bandwidth matrix, and that it reads back as it was written."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from placewright.configdir import ConfigDirError, generate_network, network_csv, read_pool_counts, write_network
from placewright.configdir.faults import Faults
from placewright.configdir.links import pool_links, read_matrix
from placewright.configdir.network import gpu_labels
from placewright.core.errors import InvalidRequestError

COUNTS = {"A100": 2, "V100": 1, "T4": 2}


def test_rates_within_and_between_pools() -> None:
    matrix = generate_network(
        COUNTS,
        within={"A100": 300.0, "V100": 150.0},
        between={("A100", "V100"): 25.0, ("V100", "T4"): 10.0, ("T4", "V100"): 5.0},
        default_within=32.0,
        default_between=12.5,
    )
    assert matrix.tolist() == [
        [300.0, 300.0, 25.0, 12.5, 12.5],
        [300.0, 300.0, 25.0, 12.5, 12.5],
        [25.0, 25.0, 150.0, 10.0, 10.0],
        [12.5, 12.5, 5.0, 32.0, 32.0],
        [12.5, 12.5, 5.0, 32.0, 32.0],
    ]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigDirError) as caught:
        generate_network({"A100": 1, "T4": 1}, within={"A100": -1.0, "H100": 5.0}, between={("A100", "T5"): 5.0})
    assert str(caught.value).splitlines() == [
        "pool H100: got an unknown name, wants one of A100, T4",
        "pool T5: got an unknown name, wants one of A100, T4",
        "rate within A100: got -1, wants a finite number of at least 0 GB/s",
        "rate from A100 to T4: got nothing, wants a number of GB/s, or a default",
        "rate from T4 to A100: got nothing, wants a number of GB/s, or a default",
        "rate within T4: got nothing, wants a number of GB/s, or a default",
    ]


def test_counts_below_zero_are_refused_and_empty_pools_take_no_rows() -> None:
    with pytest.raises(ConfigDirError, match="pool A: got -1 GPUs, wants a whole number of at least 0"):
        generate_network({"A": -1}, within={}, between={})
    assert generate_network({"A": 0, "B": 2}, within={"B": 7.0}, between={}).tolist() == [[7.0, 7.0], [7.0, 7.0]]


def test_the_file_has_labels_on_both_sides() -> None:
    matrix = generate_network({"A100": 1, "T4": 1}, within={}, between={}, default_within=1e3, default_between=0.1)
    lines = list(network_csv(matrix, gpu_labels({"A100": 1, "T4": 1})))
    assert lines == [",A100_0,T4_0\n", "A100_0,1000,0.1\n", "T4_0,0.1,1000\n"]
    assert next(network_csv(matrix)) == ",gpu_0,gpu_1\n"


def test_a_matrix_that_is_not_square_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=re.escape("got (2, 3), wants as many rows as columns")):
        next(network_csv(np.zeros((2, 3))))


@given(
    matrix=st.integers(1, 6).flatmap(
        lambda size: arrays(np.float64, (size, size), elements=st.floats(0, 1e12, allow_subnormal=False))
    )
)
def test_what_is_written_reads_back_exactly(tmp_path_factory: pytest.TempPathFactory, matrix: np.ndarray) -> None:
    file = tmp_path_factory.mktemp("network") / "network_bandwidth.csv"
    write_network(file, matrix)
    faults = Faults()
    again = read_matrix(file, matrix.shape[0], faults)
    assert faults.count == 0
    assert again is not None
    assert np.array_equal(again, matrix)


def test_generated_rates_come_back_as_the_rates_between_pools(tmp_path: Path) -> None:
    within = {"A100": 300.0, "V100": 150.0, "T4": 16.0}
    between = {("A100", "V100"): 25.0, ("A100", "T4"): 12.5, ("V100", "T4"): 3.3, ("T4", "V100"): 3.1}
    file = tmp_path / "network_bandwidth.csv"
    write_network(file, generate_network(COUNTS, within=within, between=between), gpu_labels(COUNTS))
    matrix = read_matrix(file, 5, Faults())
    assert matrix is not None
    links = pool_links(matrix, COUNTS)
    assert {name: links[name, name] for name in COUNTS} == within
    assert {pair: links[pair] for pair in between} == between
    assert links["T4", "A100"] == 12.5


def test_counts_of_a_pool_file(tmp_path: Path) -> None:
    file = tmp_path / "gpu_pool.csv"
    file.write_text("gpu_type,count,memory_gb\nA100,2,80\nT4,3,16\nA100,1,40\n")
    assert read_pool_counts(file) == {"A100": 2, "T4": 3, "A100-2": 1}
    file.write_text("gpu_type,count,memory_gb\nA1000,2,80\n")
    with pytest.raises(ConfigDirError, match=r"got 'A1000', wants one of .*did you mean A100\?"):
        read_pool_counts(file)
