"""The alert rules: promtool reads them, and each alert fires when it should and no sooner."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.alert_cases import BUILD, CASES, Case, Series

Json = dict[str, Any]

RULES = Path(__file__).resolve().parents[2] / "charts/placewright/files/rules.yaml"


def rules() -> list[Json]:
    loaded = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def renamed(labels: str, label: str) -> str:
    """The same labels as a scrape gives them: without `honorLabels` the request's namespace has another name."""
    if label == "namespace" or "namespace=" not in labels:
        return labels
    return re.sub(r'namespace="([^"]*)"', rf'{label}="\1", namespace="placewright"', labels)


def promtool_case(series: tuple[Series, ...], checks: list[Json], label: str) -> Json:
    given = series if any(name.startswith("placewright_build_info") for name, _ in series) else (*series, BUILD)
    return {
        "interval": "1m",
        "input_series": [{"series": renamed(name, label), "values": values} for name, values in given],
        "promql_expr_test": checks,
    }


def firing(case: Case, minute: int, count: int) -> Json:
    found = [{"labels": "{}", "value": count}] if count else []
    expr = f'count(ALERTS{{alertname="{case.alert}", alertstate="firing"}})'
    return {"expr": expr, "eval_time": f"{minute}m", "exp_samples": found}


def promtool_cases(case: Case, label: str) -> list[Json]:
    series = case.fires or (("other", "1x300"),)
    severity = next(rule["labels"]["severity"] for rule in rules() if rule["alert"] == case.alert)
    own = renamed(case.labels, label)
    exact = f'ALERTS{{alertname="{case.alert}", alertstate="firing", severity="{severity}"{", " if own else ""}{own}}}'
    told = {"expr": exact, "eval_time": f"{case.after}m", "exp_samples": [{"labels": exact, "value": 1}]}
    before = [firing(case, case.after - 1, 0)] if case.after else []
    made = promtool_case(series, [*before, told], label)
    if not case.fires:  # absent() needs that nothing is there
        made["input_series"] = [{"series": "other", "values": "1x300"}]
    never = [firing(case, minute, 0) for minute in range(0, case.after + 45, 5)]
    return [made, *(promtool_case(quiet, never, label) for quiet in case.quiet)]


def test_promtool_finds_no_fault(promtool: Path) -> None:
    done = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES],
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout


def test_every_alert_is_tried_both_ways() -> None:
    tried = {case.alert for case in CASES if case.quiet}
    assert tried == {rule["alert"] for rule in rules()}


def test_every_alert_tells_what_it_is_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
        assert len(rule["annotations"]["summary"]) < 160, rule["alert"]
        assert len(rule["annotations"]["description"]) > 60, rule["alert"]


@pytest.mark.parametrize("label", ["namespace", "exported_namespace"])
def test_each_fires_in_time_and_only_then(promtool: Path, tmp_path: Path, label: str) -> None:
    tests = [test for case in CASES for test in promtool_cases(case, label)]
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run([promtool, "test", "rules", file], text=True, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_case_that_is_wrong_is_seen(promtool: Path, tmp_path: Path) -> None:
    """The check itself: a rule that never fires is found out."""
    rule = {"alert": "PlacewrightGateBlocked", "expr": "placewright_cost_gate_blocked == 2", "for": "30m"}
    bad = tmp_path / "rules.yaml"
    bad.write_text(
        yaml.safe_dump({"groups": [{"name": "bad", "rules": [{**rule, "labels": {"severity": "warning"}}]}]})
    )
    (case,) = [case for case in CASES if case.alert == "PlacewrightGateBlocked"]
    file = tmp_path / "test.yaml"
    tests = promtool_cases(case, "namespace")
    file.write_text(yaml.safe_dump({"rule_files": [str(bad)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run([promtool, "test", "rules", file], text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode != 0
