"""gpu_pool.csv and network_bandwidth.csv: what they may hold, and what is said when they do not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from placewright.configdir import ConfigDirError, read_config_dir
from placewright.configdir.faults import Faults
from placewright.configdir.links import link_percentile, pool_links, read_matrix
from placewright.core.model import FixedEfficiency

MakeFolder = Callable[..., Path]
HEADER = "gpu_type,count,memory_gb,dollar_per_hour\n"


def links_of(folder: Path, **overrides: str) -> FixedEfficiency:
    performance = read_config_dir(folder, overrides=overrides).request.performance
    assert isinstance(performance, FixedEfficiency)
    return performance


def square(size: int, rate: float = 100.0) -> str:
    header = "".join(f",g{number}" for number in range(size))
    return header + "\n" + "".join(f"g{number}" + f",{rate:g}" * size + "\n" for number in range(size))


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("B200,2,80,1", "gpu_type: got 'B200', wants one of H100, A100, L40S, A40, L40, V100, RTX4090, L20, A10, T4"),
        ("A100-40GB,2,40,1", "gpu_type: got 'A100-40GB', wants one of H100, A100"),
        ("L4,2,24,1", "gpu_type: got 'L4', wants one of H100"),
        (",2,24,1", "gpu_type: got nothing, wants one of"),
        ("A100,-1,80,1", "A100 count: got '-1', wants a whole number of at least 0"),
        ("A100,2.5,80,1", "A100 count: got '2.5', wants a whole number of at least 0"),
        ("A100,,80,1", "A100 count: got nothing, wants a whole number of at least 0"),
        ("A100,2,0,1", "A100 memory_gb: got '0', wants a number above 0"),
        ("A100,2,80,0", "A100 dollar_per_hour: got '0', wants a number above 0"),
        ("A100,2,80,free", "A100 dollar_per_hour: got 'free', wants a number above 0"),
        ("A100,2,80,inf", "A100 dollar_per_hour: got 'inf', wants a number above 0"),
        ("A100,2", "A100 memory_gb: got nothing, wants a number above 0"),
    ],
)
def test_a_wrong_row_says_what_it_wants(make_folder: MakeFolder, row: str, line: str) -> None:
    with pytest.raises(ConfigDirError) as caught:
        read_config_dir(make_folder(pools=f"{HEADER}T4,1,16,0.2\n{row}\n"))
    (fault,) = str(caught.value).splitlines()
    assert line in fault
    assert "gpu_pool.csv:3" in fault


def test_a_wrong_row_is_one_line_per_cell(make_folder: MakeFolder) -> None:
    with pytest.raises(ConfigDirError) as caught:
        read_config_dir(make_folder(pools=f"{HEADER}Z9,x,y,z\n"))
    assert len(caught.value.faults) == 4


@pytest.mark.parametrize(
    ("pools", "line"),
    [
        ("gpu_type,count\nA100,2\n", "got 'gpu_type,count' without memory_gb, wants a header with the columns"),
        ("A100,2,80\n", "without gpu_type, count, memory_gb"),
        (HEADER, "got no row, wants at least one GPU type"),
        ("", "got an empty file, wants a header line"),
        ("gpu_type,count,memory_gb,count\nA100,2,80,2\n", "got column count twice, wants each column once"),
        (f"{HEADER}A100,0,80,1\n", "count: got 0 GPUs altogether, wants at least one GPU"),
        ('gpu_type,count,memory_gb\n"A100"x,2,80\n', "wants comma-separated cells"),
    ],
)
def test_a_file_that_is_no_pool_list(make_folder: MakeFolder, pools: str, line: str) -> None:
    with pytest.raises(ConfigDirError) as caught:
        read_config_dir(make_folder(pools=pools))
    assert line in str(caught.value)


def test_columns_may_stand_in_any_order_and_others_are_left_alone(make_folder: MakeFolder) -> None:
    pools = "memory_gb,Notes,GPU_TYPE,dollar_per_hour,count\n80,rack 1,A100,1.5,2\n16,,T4,0.2,1\n"
    first, second = read_config_dir(make_folder(pools=pools)).request.pools
    assert (first.name, first.gpus, first.gpu.memory_gib, first.price_per_gpu_hour) == ("A100", 2, 80.0, 1.5)
    assert (second.name, second.gpus, second.gpu.memory_gib, second.price_per_gpu_hour) == ("T4", 1, 16.0, 0.2)


def test_a_second_row_of_a_type_is_a_pool_of_its_own(make_folder: MakeFolder) -> None:
    folder = make_folder(pools=f"{HEADER}A100,2,80,1.5\nA100,1,40,1.1\n")
    read = read_config_dir(folder, max_tensor_parallel={"A100": 4, "A100-2": 1})
    first, second = read.request.pools
    assert (first.name, first.gpu.name, first.gpu.memory_gib, first.max_tensor_parallel) == ("A100", "A100", 80.0, 4)
    assert (second.name, second.gpu.name, second.gpu.memory_gib, second.max_tensor_parallel) == (
        "A100-2",
        "A100",
        40.0,
        1,
    )
    assert links_of(folder).link_gbps["A100", "A100-2"] == 11.0


def test_a_type_with_no_gpus_takes_no_row_of_the_matrix(make_folder: MakeFolder) -> None:
    folder = make_folder(pools=f"{HEADER}H100,0,80,4\nA100,2,80,1.5\nT4,1,16,0.2\n")
    assert [pool.name for pool in read_config_dir(folder).request.pools] == ["A100", "T4"]
    assert links_of(folder).link_gbps["A100", "T4"] == 11.0


@pytest.mark.parametrize(
    ("limits", "line"),
    [
        ({"H100": 4}, "--max-tp H100: got a type that gpu_pool.csv does not have, wants one of A100, T4"),
        ({"A100": 0}, "--max-tp A100: got 0, wants a whole number of at least 1"),
    ],
)
def test_a_wrong_limit_of_tensor_parallelism(make_folder: MakeFolder, limits: dict[str, int], line: str) -> None:
    with pytest.raises(ConfigDirError) as caught:
        read_config_dir(make_folder(), max_tensor_parallel=limits)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("network", "line"),
    [
        ("", "got no rows, wants a header line and one row per GPU"),
        (",a,b,c\n", "got no rows, wants a header line and one row per GPU"),
        (square(2), "got a matrix of 2 x 2, wants 3 x 3, one row for each GPU of gpu_pool.csv"),
        (square(4), "got a matrix of 4 x 4, wants 3 x 3"),
        (",a,b,c\na,1,1,1\nb,1,1,1\n", "got 2 rows and 3 columns, wants a square matrix behind a label column"),
        ("a,1,1,1\nb,1,1,1\nc,1,1,1\n", "got 2 rows and 3 columns, wants a square matrix"),
        (",a,b,c\na,1,1,1\nb,1,fast,1\nc,1,1,1\n", "network_bandwidth.csv:3 column 2: got 'fast', wants a number"),
        (",a,b,c\na,1,1,1\nb,1,1,\nc,1,1,1\n", "network_bandwidth.csv:3 column 3: got nothing, wants a number"),
        (",a,b,c\na,1,1,1\nb,1,1\nc,1,1,1\n", "network_bandwidth.csv:3: got 2 rates, wants 3 rates behind a label"),
        (",a,b,c\na,1,1,1\nb,-1,1,1\nc,1,1,1\n", "bandwidth.csv:3 column 1: got -1, wants a finite number"),
        (",a,b,c\na,1,inf,1\nb,1,1,1\nc,1,1,1\n", "bandwidth.csv:2 column 2: got inf, wants a finite number"),
        (",a,b,c\na,1,1,1\nb,1,1,nan\nc,1,1,1\n", "bandwidth.csv:3 column 3: got nan, wants a finite number"),
    ],
)
def test_a_wrong_matrix_says_where_and_what_it_wants(make_folder: MakeFolder, network: str, line: str) -> None:
    with pytest.raises(ConfigDirError) as caught:
        read_config_dir(make_folder(network=network))
    (fault,) = str(caught.value).splitlines()
    assert line in fault


def test_a_matrix_full_of_faults_is_told_in_few_lines(make_folder: MakeFolder) -> None:
    with pytest.raises(ConfigDirError) as caught:
        read_config_dir(make_folder(network=square(3, -1.0)))
    lines = str(caught.value).splitlines()
    assert len(lines) == 6
    assert "got 1 more such faults" in lines[-1]


def test_quoted_cells_are_numbers_too(make_folder: MakeFolder) -> None:
    network = ',"a","b","c"\n"a, first","0","300","12"\nb,"250",0,11\nc,10,9,0\n'
    assert links_of(make_folder(network=network)).link_gbps["A100", "T4"] == 11.0


def test_the_rate_between_pools_is_the_least_of_their_pairs_in_that_direction() -> None:
    matrix = np.array(
        [[999, 50, 7, 8, 9], [40, 999, 6, 5, 4], [1, 2, 0, 70, 60], [3, 4, 80, 0, 90], [5, 6, 65, 75, 0]], dtype=float
    )
    links = pool_links(matrix, {"A": 2, "none": 0, "B": 3})
    assert links == {("A", "A"): 40.0, ("A", "B"): 4.0, ("B", "A"): 1.0, ("B", "B"): 60.0}


def test_a_pool_of_one_gpu_has_the_rate_of_its_diagonal_cell() -> None:
    assert pool_links(np.array([[5.0]]), {"A": 1}) == {("A", "A"): 5.0}
    assert pool_links(np.array([[np.inf]]), {"A": 1}) == {("A", "A"): 0.0}


def test_the_percentile_is_that_of_all_candidate_links() -> None:
    rng = np.random.default_rng(7)
    counts = {"A": 3, "B": 1, "C": 4}
    names = [name for name, count in counts.items() for _ in range(count)]
    for _ in range(20):
        links = pool_links(rng.integers(1, 50, size=(8, 8)).astype(float), counts)
        every = [links[names[one], names[other]] for one in range(8) for other in range(8) if one != other]
        for share in (0.1, 0.37, 0.5, 1.0):
            assert link_percentile(links, counts, share) == pytest.approx(np.percentile(every, share * 100))
        assert link_percentile(links, counts, 0.0) == 0.0
    assert link_percentile({("A", "A"): 5.0}, {"A": 1}, 0.5) == 0.0


def test_the_threshold_drops_the_slowest_links(make_folder: MakeFolder) -> None:
    # Candidates: twice 250 inside A100, twice 11 to T4, twice 9 from T4.
    folder = make_folder()
    assert links_of(folder).min_link_gbps == 0.0
    assert links_of(folder, network_bandwidth_percentile_threshold="0.3").min_link_gbps == pytest.approx(10.0)
    assert links_of(folder, network_bandwidth_percentile_threshold="1").min_link_gbps == 250.0


def test_a_large_matrix_is_read_at_once(tmp_path: Path) -> None:
    file = tmp_path / "network_bandwidth.csv"
    file.write_text(square(1500, 12.5))
    faults = Faults()
    matrix = read_matrix(file, 1500, faults)
    assert faults.count == 0
    assert matrix is not None
    assert matrix.shape == (1500, 1500)
    assert (matrix == 12.5).all()
