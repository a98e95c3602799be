"""`network generate`: a matrix that the config-dir format reads back."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


def test_rates_within_and_between_pools(run: Run) -> None:
    result = run(
        "network", "generate", "--pool", "A100=2", "--pool", "V100=1", "--within", "A100=300", "--default", "25",
        "--between", "A100:V100=12.5",
    )  # fmt: skip
    assert result.exit_code == 0
    assert result.stdout == (",A100_0,A100_1,V100_0\nA100_0,300,300,12.5\nA100_1,300,300,12.5\nV100_0,12.5,12.5,25\n")


def test_defaults_for_within_and_between_win_over_the_common_one(run: Run) -> None:
    result = run(
        "network", "generate", "--pool", "a=1", "--pool", "b=1", "--default", "1", "--default-within", "9",
        "--between", "b:a=3", "--between", "a:b=4",
    )  # fmt: skip
    assert result.stdout == ",a_0,b_0\na_0,9,4\nb_0,3,9\n"


def test_the_matrix_of_a_folder_is_read_back(run: Run, medium: Path, tmp_path: Path) -> None:
    for name in ("config.csv", "gpu_pool.csv"):
        (tmp_path / name).write_text((medium / name).read_text())
    path = tmp_path / "network_bandwidth.csv"
    result = run("network", "generate", "--config-dir", tmp_path, "--default", "550", "-o", path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "$0.103563/M tokens" in run("plan", "--config-dir", tmp_path).stdout
    run("network", "generate", "--config-dir", tmp_path, "--default", "0.001", "-o", path)
    assert "$0.103563/M tokens" not in run("plan", "--config-dir", tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "got neither --pool nor --config-dir, wants one of them"),
        (["--pool", "a=1", "--config-dir", "x"], "got both --pool and --config-dir, wants one of them"),
        (["--pool", "a"], "got 'a', wants NAME=NUMBER"),
        (["--pool", "a=1.5"], "wants a whole number of GPUs"),
        (["--pool", "a=-1"], "wants a whole number of GPUs"),
        (["--pool", "a=1", "--pool", "a=2"], "got 'a' twice"),
        (["--pool", "a=1", "--between", "ab=2"], "got 'ab', wants FROM:TO of two pools"),
        (["--pool", "a=1", "--between", "a:a=2"], "got 'a:a', wants FROM:TO of two pools"),
        (["--pool", "a=1", "--within", "b=2", "--default", "1"], "pool b: got an unknown name, wants one of a"),
        (["--pool", "a=2"], "rate within a: got nothing, wants a number of GB/s"),
        (["--pool", "a=2", "--default", "-1"], "got -1, wants a finite number"),
        (["--config-dir", "none"], "gpu_pool.csv: got no such file"),
        (["--pool", "a=2", "--default", "1", "-o", "/none/x"], "/none/x: got no such file or directory"),
    ],
)
def test_what_makes_no_sense_is_one_line(run: Run, arguments: list[str], said: str) -> None:
    result = run("network", "generate", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert said in line
