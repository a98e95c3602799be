"""Each folder here: a request, options of `placewright render`, and what it prints, which --update-golden writes."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from placewright.cli.root import cli

HERE = Path(__file__).resolve().parent
CASES = sorted(folder.name for folder in HERE.iterdir() if (folder / "input.yaml").is_file())


@pytest.mark.parametrize("case", CASES)
def test_what_is_rendered(case: str, pytestconfig: pytest.Config) -> None:
    folder = HERE / case
    options = shlex.split((folder / "options.txt").read_text(encoding="utf-8"))
    arguments = ["render", "-f", str(folder / "input.yaml"), *options]
    done = CliRunner().invoke(cli, arguments, prog_name="placewright")
    assert (done.exit_code, done.stderr) == (0, "")
    expected = folder / "expected.yaml"
    if pytestconfig.getoption("--update-golden"):
        expected.write_text(done.stdout, encoding="utf-8")
    assert done.stdout == expected.read_text(encoding="utf-8")
    again = CliRunner().invoke(cli, arguments, prog_name="placewright")
    assert again.stdout == done.stdout


def test_there_is_a_case_for_every_shape() -> None:
    assert {
        "amd",
        "mixed-pools",
        "one-node-sglang",
        "one-node-triton",
        "one-node-vllm",
        "several-nodes-sglang",
        "several-nodes-uneven-stages",
        "several-nodes-vllm",
        "two-layouts-by-weight",
        "two-layouts-inference-pools",
    } <= set(CASES)
