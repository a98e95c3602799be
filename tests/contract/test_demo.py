"""`make demo` as a person runs it: what it shows, what it checks, how it fails, and that nothing of it stays behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.controlplane.processes import wait_until

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "config" / "samples"
PLACEWRIGHT = Path(sys.executable).with_name("placewright")
MARK = "DEMO_TEST_MARK"  # in the environment of all that a demo starts
TIMEOUT_S = 150.0

pytestmark = pytest.mark.xdist_group("demo")  # one worker, so that the shared run is made once


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str
    left: list[str]
    files_left: list[str]


class Demo:
    """One `python -m demo` with a temporary folder of its own."""

    def __init__(self, folder: Path, *arguments: object, **env: str) -> None:
        self.mark = uuid.uuid4().hex
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "demo", *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder), MARK: self.mark, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def until(self, text: str) -> None:
        """Reads its output up to a line with this text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if text in line:
                return
        raise AssertionError(f"it ended without {text!r}")

    def end(self) -> Ended:
        out, err = self.process.communicate(timeout=TIMEOUT_S)
        files = sorted(path.name for path in self.folder.iterdir() if path.name.startswith("placewright-demo-"))
        return Ended(self.process.returncode, out, err, self.left(), files)

    def left(self) -> list[str]:
        """Command lines of the processes that it has started and that still run."""
        return list(_marked(f"{MARK}={self.mark}".encode()))


def _marked(mark: bytes) -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                yield (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended, or is not ours
            continue


def run_demo(folder: Path, *arguments: object, **env: str) -> Ended:
    with Demo(folder, *arguments, **env) as demo:
        return demo.end()


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The demo as it is, in a pipe of no width: test runners may set COLUMNS."""
    return run_demo(tmp_path_factory.mktemp("demo"), COLUMNS="")


def table_of(out: str) -> dict[str, list[str]]:
    """Cells by name of the request, cut where the heads begin."""
    lines = out.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("NAMESPACE "))
    starts = [found.start() for found in re.finditer(r"\S+", lines[first])]
    ends = [*starts[1:], None]
    rows = lines[first + 1 : lines.index("", first)]
    cells = [[row[start:end].strip() for start, end in zip(starts, ends, strict=True)] for row in rows]
    return {row[1]: row for row in cells}


def test_it_succeeds_and_leaves_nothing_behind(shown: Ended) -> None:
    assert (shown.code, shown.err) == (0, "")
    assert shown.left == []
    assert shown.files_left == []


def test_every_sample_is_shown_with_its_state(shown: Ended) -> None:
    table = table_of(shown.out)

    assert {name: row[2:4] for name, row in table.items()} == {
        "llama-405b-too-big": ["False", "Infeasible"],
        "llama-70b-chat": ["True", "PlanCurrent"],
        "llama-70b-too-dear": ["False", "GateBlocked"],
        "llama-8b-measured": ["True", "PlanCurrent"],
        "mixtral-h100": ["True", "PlanCurrent"],
        "own-model-own-gpu": ["True", "PlanCurrent"],
        "qwen-72b-mixed-pools": ["True", "PlanCurrent"],
    }
    assert table["llama-8b-measured"][4:8] == ["l40s", "bf16", "1", "1"]
    assert table["llama-405b-too-big"][4:12] == [""] * 8
    assert all(re.fullmatch(r"\d+s", row[-1]) for row in table.values())


def test_refusals_come_with_figures_and_a_way_out(shown: Ended) -> None:
    words = " ".join(shown.out.split())

    assert re.search(r"default/llama-405b-too-big: Infeasible why: InsufficientMemory: .* GiB", words)
    assert re.search(r"helps: feasible with .* spec\.pools\[a10\]\.nodes from 1 to \d+", words)
    assert re.search(r"default/llama-70b-too-dear: GateBlocked why: CostPerTokenExceeded: .* exceeds \$0\.6/M", words)
    assert re.search(r"helps: feasible at \$\S+ raise spec\.gates\.maxCostPerMillionTokens from 0\.6 to", words)


def test_the_cost_lines_are_those_of_the_table(shown: Ended) -> None:
    lines = [line for line in shown.out.splitlines() if line.startswith("placewright_cost_")]
    samples = [one for family in text_string_to_metric_families("\n".join(lines) + "\n") for one in family.samples]
    hourly = {one.labels["name"]: one.value for one in samples if one.name == "placewright_cost_usd_per_hour"}
    per_token = {one.labels["name"]: one.value for one in samples if one.name == "placewright_cost_usd_per_token"}
    blocked = {one.labels["name"] for one in samples if one.name.endswith("_gate_blocked") and one.value == 1}
    table = {name: row for name, row in table_of(shown.out).items() if row[10]}

    assert hourly == {name: float(row[10]) for name, row in table.items()}
    assert per_token == pytest.approx({name: float(row[11]) / 1e6 for name, row in table.items()})
    assert blocked == {"llama-70b-too-dear"}
    assert {one.name for one in samples} >= {"placewright_cost_gate_limit", "placewright_cost_gate_usage_ratio"}


def test_it_prints_what_the_readme_shows(shown: Ended) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = readme[readme.index("NAMESPACE ") :].split("```")[0]

    def ageless(text: str) -> list[str]:
        return [re.sub(r" +(AGE|\d+s)$", "", line) for line in text.splitlines()]

    assert [line for line in ageless(block) if line not in ageless(shown.out)] == []


def words_of_fleet(shown: Ended) -> str:
    return " ".join(shown.out[shown.out.index("Now a fleet:") :].split())


def test_pools_are_found_from_nodes_without_the_gpus_of_others(shown: Ended) -> None:
    words = words_of_fleet(shown)

    assert re.search(r"h100 True H100 1 4 0 4 3\.5 NodeLabel \d+s l40s True L40S 1 4 0 4 1\.2 Spec \d+s", words)
    assert "l40s: 4 more GPUs are held by Pods of others" in words


def test_a_model_spills_over_and_one_is_refused_with_what_a_node_is_worth(shown: Ended) -> None:
    words = words_of_fleet(shown)

    assert re.search(r"batch spilled over: l40s is short: on h100 at \$\S+/h, \$\S+/h more", words)
    assert re.search(r"fleet/search: Infeasible why: InsufficientStock: .* helps: feasible with 1 more node of", words)
    assert "one more node of h100: places fleet/search " in words
    assert re.search(r"one more node of l40s: places fleet/search, saves \$\S+/h ", words)


def test_a_new_node_places_the_refused_and_brings_back_the_spilled(shown: Ended) -> None:
    words = words_of_fleet(shown)
    after = words[words.index("added 1 Node: l40s-1") :]

    assert re.search(r"search: \d of l40s at \$\S+/h", after)
    assert re.search(r"batch came back after 1\d s, Cheaper: .* \d of l40s at \$\S+/h", after)
    assert re.findall(r"(\w+) True PlanCurrent (\w+)", after) == [
        ("assist", "h100"),
        ("batch", "l40s"),
        ("chat", "l40s"),
        ("search", "l40s"),
    ]


def test_a_ramp_stops_where_it_does_not_pay_and_a_gate_that_fails_tears_nothing_down(shown: Ended) -> None:
    words = " ".join(shown.out[shown.out.index("Now dollars:") :].split())

    assert re.search(
        r"ramp at 50 % of the traffic, GateFails: .* GATE LIMIT ACTUAL HEADROOM RESULT"
        r" CostToRevenueRatio 0\.2 0\.24 -20 % Fail .* ramp at 100 % of the traffic, Completed",
        words,
    )
    blocked = words[words.index("GateBlocked: ") :]
    assert re.search(
        r"(p-\w+) is kept: .* CostToRevenueRatio 0\.4 0\.514 -28\.6 % Fail .* plan \1 goes on: .* Ready again", blocked
    )


def words_of_idle(shown: Ended) -> str:
    return " ".join(shown.out[shown.out.index("Now an idle model:") : shown.out.index("Every decision, gate")].split())


def test_an_idle_model_is_told_with_what_it_burns_and_nothing_is_reaped(shown: Ended) -> None:
    words = words_of_idle(shown)

    assert re.search(
        r"plan (p-\w+): \$2\.40/h on 2 GPUs of l40s; placewright render made Deployment and Service of it, 2 Pods run"
        r" .* Active, TrafficSeen: requests were finished within the last 10s"
        r" .* Idle, NoTraffic: idle for 10s; not reaped: its policy is Report; last active \S+Z"
        r" .*placewright_idle_burn_usd_per_hour{name=\"helpdesk\",namespace=\"quiet\"} 2\.4 "
        r".* would save \$2\.40/h; the policy is Report, so its 2 Pods run on .* somebody asks again"
        r" .* Active: requests were \w+( \w+)? within the last 10s; it burns nothing",
        words,
    )


def test_the_command_lists_what_burns_with_each_signal(shown: Ended) -> None:
    listed, card = words_of_idle(shown).split("$ placewright idle -A")[1].split("$ placewright idle helpdesk -n quiet")

    assert re.search(
        r"quiet/helpdesk \$2\.40 Idle \d+ s ago \$0\.01 nothing, its idle policy is Report"
        r" \$2\.40/h burns in 1 of 1 request that somebody looks at",
        listed,
    )
    assert "quiet/helpdesk idles and burns $2.40/h" in card
    assert re.findall(r"(\w+) Idle (?=no|every|nothing|nobody)", card) == [
        "FinishedRequests",
        "RunningRequests",
        "WaitingRequests",
        "Scrapes",
        "ReplicasOwner",
        "ReplicaAge",
        "Wishes",
    ]
    assert re.search(r"Downsize \$1\.20 one replica of bf16, .* costs \$1\.2/h instead of \$2\.4/h", card)


def test_the_journal_proves_itself_and_one_changed_byte_does_not_pass(shown: Ended) -> None:
    words = " ".join(shown.out[shown.out.index("Every decision, gate") :].split())

    sound, changed = words.split("$ placewright audit verify audit-tampered")
    assert re.search(r"audit verify audit audit journal: intact: \d+ records in 1 file", sound)
    assert re.search(r"audit-tampered/audit-000001\.jsonl:(\d+): Changed: record \1: .* NOT INTACT, 1 finding", changed)


def test_it_says_what_to_do_on_a_real_cluster(shown: Ended) -> None:
    farewell = shown.out[shown.out.index("Next, on a cluster") :]

    assert "helm upgrade --install placewright charts/placewright" in farewell
    assert "kubectl apply -f config/samples/" in farewell
    assert "make cluster" in farewell


def test_narrow_dumb_ascii_terminals_get_lines_that_fit(tmp_path: Path) -> None:
    ended = run_demo(tmp_path, COLUMNS="60", TERM="dumb", LC_ALL="C", PYTHONIOENCODING="ascii")

    too_long = [line for line in ended.out.splitlines() if len(line) > 60 and not line.startswith("placewright_")]
    assert (ended.code, ended.err, too_long) == (0, "", [])
    assert "\x1b" not in ended.out


def test_settings_for_another_operator_do_not_reach_it(tmp_path: Path) -> None:
    elsewhere = {"PLACEWRIGHT_NAMESPACES": "other", "HTTP_PROXY": "http://127.0.0.1:9", "KUBECONFIG": "/nonexistent"}
    assert run_demo(tmp_path, "--samples", samples_with(tmp_path, "llama-8b-measured"), **elsewhere).code == 0


# ------------------------------------------------------------------------------------------------------ failures


def samples_with(folder: Path, name: str, old: str = "", new: str = "") -> Path:
    """A folder with one sample, in which one text is replaced."""
    text = (SAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    assert old in text
    (folder / "samples").mkdir()
    (folder / "samples" / f"{name}.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder / "samples"


def script(folder: Path, text: str) -> Path:
    path = folder / "operator.sh"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_no_operator_program_is_one_line(tmp_path: Path) -> None:
    ended = run_demo(tmp_path, "--operator", tmp_path / "nothing")

    assert ended.code == 1
    assert ended.err.startswith(f"demo: failed: the operator: got {tmp_path / 'nothing'}, wants a program")
    assert ended.err.count("\n") == 1


def test_an_operator_that_ends_at_once_is_told_with_its_log(tmp_path: Path) -> None:
    ended = run_demo(tmp_path, "--operator", script(tmp_path, "echo no GPU today; exit 7"))

    assert ended.code == 1
    assert ended.err.splitlines() == [
        "demo: failed: the operator ended with 7 while the demo waited for it to tell its port",
        "demo: the operator's log ends:",
        "  no GPU today",
    ]
    assert (ended.left, ended.files_left) == ([], [])


def test_an_operator_that_does_not_end_well_fails_the_demo(tmp_path: Path) -> None:
    # A shell gives a command in the background no standard input of its own accord, and render reads it.
    wrapper = f'exec 3<&0; {PLACEWRIGHT} "$@" <&3 & trap "kill $!; wait $!; exit 3" TERM; wait $!'
    ended = run_demo(
        tmp_path, "--operator", script(tmp_path, wrapper), "--samples", samples_with(tmp_path, "llama-8b-measured")
    )

    assert ended.code == 1
    assert ended.err.startswith("demo: failed: the operator ended with 3 after SIGTERM, wants 0\n")
    assert (ended.left, ended.files_left) == ([], [])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("Ready=True PlanCurrent", "Ready=False Infeasible", "expects Ready=False Infeasible, got True PlanCurrent"),
        ("confidence is Measured", "confidence is Modelled", "expects status.solver.confidence Modelled, got Measured"),
    ],
)
def test_a_state_that_was_not_promised_fails_the_demo(tmp_path: Path, old: str, new: str, told: str) -> None:
    ended = run_demo(tmp_path, "--samples", samples_with(tmp_path, "llama-8b-measured", old, new))

    assert ended.code == 1
    assert told in ended.err.splitlines()[0]
    assert ended.left == []


def fleet_with(folder: Path, name: str, old: str, new: str) -> Path:
    """The demo's fleet, in one file of which one text is replaced."""
    fleet = folder / "fleet"
    shutil.copytree(ROOT / "demo" / "fleet", fleet)
    text = (fleet / name).read_text(encoding="utf-8")
    assert old in text
    (fleet / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    return fleet


def test_a_fleet_that_is_not_as_told_fails_the_demo(tmp_path: Path) -> None:
    fleet = fleet_with(tmp_path, "models/search.yaml", "Ready=False Infeasible", "Ready=True PlanCurrent")
    samples = samples_with(tmp_path, "llama-8b-measured")
    ended = run_demo(tmp_path, "--samples", samples, "--fleet", fleet, "--patience", 20)

    assert ended.code == 1
    told = ended.err.splitlines()[0]
    assert "waited 20 s for the operator to plan 4 models together as they promise; search: " in told
    assert told.endswith("expects Ready=True PlanCurrent, got False Infeasible")
    assert (ended.left, ended.files_left) == ([], [])


def test_a_fleet_without_its_files_is_refused(tmp_path: Path) -> None:
    ended = run_demo(tmp_path, "--fleet", tmp_path / "none")

    assert ended.code == 1
    assert ended.err.startswith(f"demo: failed: {tmp_path / 'none' / 'cluster.yaml'}: ")
    assert ended.err.count("\n") == 1


def idle_with(folder: Path, old: str, new: str) -> Path:
    """The demo's idle model, with one text replaced."""
    text = (ROOT / "demo" / "idle" / "helpdesk.yaml").read_text(encoding="utf-8")
    assert old in text
    (folder / "idle").mkdir()
    (folder / "idle" / "helpdesk.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder / "idle"


def test_a_model_whose_activity_nobody_tells_fails_the_demo(tmp_path: Path) -> None:
    # The script's servers do not serve this one: what they do is nobody's activity, and missing figures are not idle.
    idle = idle_with(tmp_path, "policy: Report", "policy: Report\n    modelName: another")
    samples = samples_with(tmp_path, "llama-8b-measured")
    ended = run_demo(tmp_path, "--samples", samples, "--idle", idle, "--patience", 30)

    assert ended.code == 1
    assert "to see its traffic; it is Unknown, Idle=Unknown SignalMissing" in ended.err.splitlines()[0]
    assert (ended.left, ended.files_left) == ([], [])


def test_a_sample_that_promises_nothing_is_refused(tmp_path: Path) -> None:
    ended = run_demo(tmp_path, "--samples", samples_with(tmp_path, "llama-8b-measured", "# Expect:", "# Perhaps:"))

    assert ended.code == 1
    assert "llama-8b-measured.yaml: got no line `# Expect: Ready=...`" in ended.err
    assert ended.err.count("\n") == 1


def test_a_sample_that_the_schema_refuses_is_refused(tmp_path: Path) -> None:
    samples = samples_with(tmp_path, "llama-8b-measured", "inputTokens: 1024", "inputTokens: -1")
    ended = run_demo(tmp_path, "--samples", samples)

    assert ended.code == 1
    assert re.search(r"demo: failed: POST \S+: 422 Invalid: spec\.workload\.inputTokens: got -1", ended.err)
    assert ended.left == []


# ------------------------------------------------------------------------------------------------------- endings


@pytest.mark.parametrize("moment", ["API with", "operator ready", "decided 1 of", "planned together", "TrafficSeen"])
def test_ctrl_c_ends_everything_quietly(tmp_path: Path, moment: str) -> None:
    with Demo(tmp_path) as demo:
        demo.until(moment)
        demo.process.send_signal(signal.SIGINT)
        ended = demo.end()

    assert ended.code == 130
    assert ended.err.split("\n") == ["", "demo: ended by SIGINT; nothing was left running", ""]
    assert (ended.left, ended.files_left) == ([], [])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_killed_demo_takes_its_operator_with_it(tmp_path: Path) -> None:
    with Demo(tmp_path) as demo:
        demo.until("decided 1 of")
        assert len(demo.left()) >= 2
        demo.process.kill()
        demo.process.wait()
        wait_until(lambda: not demo.left(), 10.0, "the operator and its solvers to be gone")


def test_a_reader_that_goes_away_ends_it(tmp_path: Path) -> None:
    with Demo(tmp_path) as demo:
        demo.until("API with")
        assert demo.process.stdout is not None
        demo.process.stdout.close()
        assert demo.process.stderr is not None
        err = demo.process.stderr.read()
        code = demo.process.wait(TIMEOUT_S)

        assert (code, err) == (128 + signal.SIGPIPE, "")
        assert demo.left() == []


def test_make_demo_runs_it() -> None:
    make = shutil.which("make")
    assert make is not None
    told = subprocess.run([make, "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "python -m demo" in told.stdout
