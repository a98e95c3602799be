"""`profile fit` on rows that are made up from the committed coefficients."""

import ast
import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]

_LOAD = ("model", "system", "backend", "version", "precision", "isl", "osl", "batch")
_HEADER = (*_LOAD, "tp", "pp", "attn_dp", "moe_ep", "ttft_ms", "tpot_ms")


def _row(model: str, batch: int, tensor: int, isl: int, ttft: float) -> list[str]:
    tpot = 4.0 + 12.0 / tensor + 0.05 * batch + isl / 2000.0
    cells = [model, "h100_sxm", "vllm", "1", "", isl, 256, batch, tensor, 1, 1, 1, ttft, tpot]
    return [str(cell) for cell in cells]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Two models, 48 rows; two of them show a queue."""
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADER)
        for model in ("meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-32B"):
            for batch in (1, 8, 32, 64):
                for tensor in (1, 2, 4):
                    for isl in (512, 2048):
                        queued = (batch, tensor, isl) == (64, 1, 2048)
                        writer.writerow(
                            _row(model, batch, tensor, isl, 9000.0 if queued else 100.0 + isl / tensor / 10)
                        )
    return path


def test_errors_are_told_for_each_group_and_both_figures(run: Run, rows: Path) -> None:
    result = run("profile", "fit", "--data", rows)
    assert result.exit_code == 0, result.output
    assert "46 of 48; 2 left out: their TTFT shows a queue" in result.stdout
    for said in ("Mean absolute error of TPOT", "Mean absolute error of TTFT", "IN SAMPLE %", "5-FOLD %", "LEFT OUT %"):
        assert said in result.stdout
    groups = [line.split()[:4] for line in result.stdout.splitlines() if " vllm " in line and "H100" in line]
    assert (
        groups
        == [
            ["meta-llama/Llama-3.1-8B-Instruct", "H100", "vllm", "23"],
            ["Qwen/Qwen3-32B", "H100", "vllm", "23"],
        ]
        * 2
    )


def test_everything_as_data_and_as_the_module_to_commit(run: Run, rows: Path) -> None:
    found = json.loads(run("profile", "fit", "--data", rows, "-o", "json").stdout)
    assert (found["rows"], found["queueing_rows"], len(found["tpot"]["groups"])) == (48, 2, 2)
    arguments = ["-o", "python", "--date", "2026-11-21", "--source", "made up"]
    module = run("profile", "fit", "--data", rows, *arguments).stdout
    ast.parse(module)
    assert 'date="2026-11-21"' in module
    assert 'source="made up"' in module
    assert "queueing_rows=2" in module


def test_bad_data_is_one_line(run: Run, rows: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("".join(rows.read_text().splitlines(keepends=True)[:4]))
    broken = tmp_path / "broken.csv"
    broken.write_text(rows.read_text().replace("h100_sxm", "h9000", 1))
    for path, said in ((few, "are too few"), (broken, "system"), (tmp_path / "none.csv", "none.csv")):
        result = run("profile", "fit", "--data", path)
        assert (result.exit_code, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert said in line
    assert run("profile", "fit").exit_code == 2
    assert run("profile", "fit", "--data", rows, "--date", "yesterday").exit_code == 2
