"""Every class of bad input ends with exit code 2, one line per fault, and nothing on standard output."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
File = Callable[..., Path]
Chat = Callable[..., dict[str, Any]]


def _lines(result: Result) -> list[str]:
    """The faults of a refused command."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    lines = result.stderr.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    return [line.removeprefix("error: ") for line in lines]


def test_a_wrong_field_is_named_with_file_line_path_and_wish(run: Run, file: File, chat: Chat) -> None:
    path = file(chat(pools=[{"name": "l40s", "gpu": "L40S", "nodes": "two", "gpusPerNode": 4}]))
    (line,) = _lines(run("plan", "-f", path))
    assert line.startswith(f"{path}:")
    assert line.endswith("spec.pools[0].nodes: got 'two', wants a whole number")


def test_every_fault_of_every_file_is_told_and_nothing_is_planned(run: Run, file: File, chat: Chat) -> None:
    good = file(chat("good"), name="good.yaml")
    bad = file(chat("bad", workload={"inputTokens": -1, "outputTokens": 0}), name="bad.yaml")
    unknown = file(chat("unknown", modell={"name": "x"}), name="unknown.yaml")
    lines = _lines(run("plan", "-f", good, "-f", bad, "-f", unknown, "-f", "none.yaml", "-o", "json"))
    assert len(lines) == 4
    assert "spec.workload.inputTokens: got -1" in lines[0]
    assert "spec.workload.outputTokens: got 0" in lines[1]
    assert "spec.modell: got an unknown field, wants model?" in lines[2]
    assert lines[3].startswith("none.yaml: got no such file")


def test_a_broken_rule_of_the_schema_is_a_fault(run: Run, file: File, chat: Chat) -> None:
    (line,) = _lines(run("plan", "-f", file(chat(objective={"type": "Cost"}))))
    assert "spec.objective.minTokensPerSecond: got nothing, wants a value with type Cost" in line


def test_a_key_that_the_catalog_lacks_names_the_nearest(run: Run, file: File, chat: Chat) -> None:
    pool = {"name": "l40s", "gpu": "L40Z", "nodes": 1, "gpusPerNode": 4, "pricePerGPUHour": 1}
    (line,) = _lines(run("plan", "-f", file(chat(pools=[pool]))))
    assert "spec.pools[0].gpu: got 'L40Z'" in line
    assert "L40S" in line
    (line,) = _lines(run("plan", "-f", file(chat(model={"name": "meta-llama/Llama-3.1-8B-Instrukt"}))))
    assert "meta-llama/Llama-3.1-8B-Instruct" in line


def test_requests_that_share_a_name_are_named_with_both_places(run: Run, file: File, chat: Chat) -> None:
    first, second = file(chat(), name="a.yaml"), file(chat(namespace="default"), name="b.yaml")
    (line,) = _lines(run("plan", "-f", first, "-f", second))
    assert line.startswith(f"{second}:")
    assert f"got default/chat, which {first}:" in line
    assert run("plan", "-f", first, "-f", first).exit_code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "wants YAML or JSON"),
        ("a: 1\na: 2", "twice"),
        ("- 1\n- 2", "wants an object"),
        ("just text", "wants an object"),
        ("", "got nothing, wants at least one PlacementRequest"),
        ("---\n", "got nothing, wants at least one PlacementRequest"),
        ('{"a": 1,', "wants YAML or JSON"),
        ("kind: PlacementRequest", "apiVersion: got nothing"),
        ("apiVersion: placewright.dev/v9\nkind: PlacementRequest\nmetadata: {name: x}\nspec: {}", "apiVersion: got"),
        ("a: &a [*a]", "got"),
        ("x: !!python/name:os.system ''", "python/name"),
    ],
)
def test_what_is_no_manifest_is_one_line(run: Run, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    (line,) = _lines(run("plan", "-f", path))
    assert line.startswith(str(path))
    assert said in line


def test_bytes_that_are_no_text_are_a_fault(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"kind: \xff\xfe")
    (line,) = _lines(run("plan", "-f", path))
    assert line == f"{path}: got byte 6 that is not UTF-8, wants UTF-8 text"


def test_a_folder_without_manifests_is_a_fault(run: Run, tmp_path: Path) -> None:
    (tmp_path / "readme.md").write_text("x")
    (line,) = _lines(run("plan", "-f", tmp_path))
    assert line == f"{tmp_path}: got a folder without any, wants *.yaml, *.yml or *.json"


def test_only_other_kinds_is_a_fault_that_lists_them(run: Run, file: File) -> None:
    path = file({"apiVersion": "apps/v1", "kind": "Deployment"}, {"apiVersion": "v1", "kind": "Service"})
    (line,) = _lines(run("plan", "-f", path))
    assert line == f"{path}: got only other kinds: Deployment (1), Service (1), wants at least one PlacementRequest"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "got neither -f nor --config-dir, wants one of them"),
        (["-f", "x", "--config-dir", "y"], "got both -f and --config-dir, wants one of them"),
        (["-f", "x", "--max-tp", "A=1"], "--max-tp wants --config-dir"),
        (["-f", "x", "--set", "a=b"], "--set wants --config-dir"),
        (["--config-dir", "y", "--pools", "p"], "--pools wants -f"),
        (["--config-dir", "y", "-n", "p"], "-n wants -f"),
        (["-f", "x", "--max-tp", "A"], "got 'A', wants NAME=NUMBER"),
        (["-f", "x", "--max-tp", "A=0"], "got 'A=0', wants NAME=NUMBER"),
        (["-f", "x", "--max-tp", "A=1,A=2"], "got 'A' twice"),
        (["--config-dir", "x", "--set", "novalue"], "got 'novalue', wants KEY=VALUE"),
        (["--config-dir", "x", "--set", "a=1", "--set", "a=2"], "got 'a' twice"),
        (["-f", "x", "--cost-weight", "1.5"], "1.5 is not in the range"),
        (["-f", "x", "--min-throughput", "-3"], "wants a number above 0"),
        (["-f", "x", "--target-cost", "nan"], "wants a number above 0"),
        (["-f", "x", "--budgets", "1,x"], "got 'x', wants a number above 0"),
        (["-f", "x", "--time-limit", "soon"], "wants a duration such as 30s"),
        (["-f", "x", "--method", "magic"], "'magic' is not one of"),
        (["-f", "x", "-o", "xml"], "'xml' is not one of"),
        (["--bogus"], "No such option"),
        (["surplus"], "unexpected extra argument"),
    ],
)
def test_options_that_make_no_sense_are_one_line(run: Run, arguments: list[str], said: str) -> None:
    (line,) = _lines(run("plan", *arguments))
    assert said in line
    assert "placewright plan --help" in line


def test_an_unknown_command_names_the_nearest(run: Run) -> None:
    (line,) = _lines(run("plna"))
    assert "Did you mean 'plan'?" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budgets", "3"], "--budgets: got method exact for medium, wants --method enumeration"),
        (["--target-cost", "3"], "--target-cost: got method exact for medium, wants --method enumeration or iterative"),
        (
            ["--target-cost", "3", "--method", "enumeration", "--cost-weight", "0.5"],
            "--target-cost: got objective Weighted for medium, wants objective CostPerToken",
        ),
    ],
)
def test_an_option_that_the_method_would_not_look_at_is_a_fault(
    run: Run, medium: Path, arguments: list[str], said: str
) -> None:
    assert _lines(run("plan", "--config-dir", medium, *arguments)) == [said]


def test_faults_of_a_folder_are_all_told(run: Run, medium: Path, tmp_path: Path) -> None:
    for name in ("config.csv", "gpu_pool.csv", "network_bandwidth.csv"):
        (tmp_path / name).write_text((medium / name).read_text())
    config = (tmp_path / "config.csv").read_text()
    (tmp_path / "config.csv").write_text(config.replace("d_model,8192", "d_model,wide"))
    (tmp_path / "gpu_pool.csv").write_text("gpu_type,count,memory_gb\nH1000,8,80\n")
    lines = _lines(run("plan", "--config-dir", tmp_path))
    assert any("d_model" in line and "'wide'" in line for line in lines)
    assert any("H1000" in line for line in lines)
    (line,) = _lines(run("plan", "--config-dir", tmp_path / "none"))
    assert "got no such folder" in line


def test_pools_that_are_wrong_are_faults_of_their_file(run: Run, file: File, chat: Chat, tmp_path: Path) -> None:
    requests = file(chat(pools=None))
    pools = tmp_path / "pools.yaml"
    for text, said in (
        ("- {name: a, gpu: L40S, nodes: 0, gpusPerNode: 4}", f"{pools}: pools[0].nodes: got 0"),
        ("", f"{pools}: got nothing, wants a list of pools, each as in spec.pools"),
        ("a: 1", f"{pools}: got a dict, wants a list of pools"),
        ("- {name: a,", f"{pools}:2: got"),
    ):
        pools.write_text(text)
        (line,) = _lines(run("plan", "-f", requests, "--pools", pools))
        assert line.startswith(said)
    (line,) = _lines(run("plan", "-f", requests, "--pools", tmp_path / "none"))
    assert "got no such file" in line


def test_validate_tells_the_same_faults(run: Run, file: File, chat: Chat) -> None:
    path = file(chat(workload={"inputTokens": 0, "outputTokens": 1}), chat("fine"))
    lines = _lines(run("validate", "-f", path))
    assert lines == _lines(run("plan", "-f", path))
    result = run("validate", "-f", path, "-o", "json")
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {"valid": False, "requests": 1, "others": 0, "faults": lines}


def test_validate_names_what_is_valid(run: Run, file: File, chat: Chat) -> None:
    path = file(chat("one"), {"apiVersion": "v1", "kind": "Service"}, chat("two"))
    result = run("validate", "-f", path)
    assert result.exit_code == 0
    assert [line.rpartition(": ")[2] for line in result.stdout.splitlines()] == ["one is valid", "two is valid"]
    assert result.stderr == "note: skipped other kinds: Service (1)\n"
    assert json.loads(run("validate", "-f", path, "-o", "json").stdout)["valid"] is True
    assert run("validate").exit_code == 2


def test_a_profile_of_another_file_makes_a_model_known(run: Run, file: File, chat: Chat) -> None:
    row = {"gpu": "L40S", "tensorParallel": 1, "pipelineParallel": 1, "precision": "bf16", "requestsPerSecond": 5}
    spec = {"model": "own/model", "source": "a benchmark", "rows": [{**row, "inputTokens": 1024, "outputTokens": 256}]}
    profile = {"kind": "PerformanceProfile", "metadata": {"name": "own"}, "spec": spec}
    request = file(chat("own", model={"name": "own/model"}), name="request.yaml")
    rows = file({"apiVersion": "placewright.dev/v1alpha1", **profile}, name="rows.yaml")

    (line,) = _lines(run("validate", "-f", request))
    assert "spec.model.name: got 'own/model', wants a model of the catalog" in line
    together = run("validate", "-f", request, "-f", rows)

    assert (together.exit_code, together.stderr) == (0, "")
    assert len(together.stdout.splitlines()) == 2
