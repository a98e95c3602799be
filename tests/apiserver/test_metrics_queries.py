"""Prometheus' own tool on the metrics and on the queries of docs/metrics.md; no server is needed for these."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from placewright.telemetry.metrics import Metrics, Parts, Vitals
from placewright.telemetry.views import pool_view_of, view_of
from tests.support.requests import condition, stored
from tests.unit.telemetry.test_fleet_metrics import REPORT, SEEN
from tests.unit.telemetry.test_metrics import PLANNED

Json = dict[str, Any]

PAGE = Path(__file__).resolve().parents[2] / "docs/metrics.md"


def metrics() -> str:
    """Two requests of one name: a plan that is approved, and one that is not and costs more."""
    blocked = stored(
        namespace="research",
        spec=PLANNED["spec"],
        status={
            **PLANNED["status"],
            "conditions": [condition("Ready", "False", "GateBlocked"), condition("Stalled", "True", "GateBlocked")],
            "plan": {**PLANNED["status"]["plan"], "costPerHour": 100.0, "costPerMillionTokens": 12.5},
            "gates": [{"name": "CostPerHour", "limit": 10, "actual": 100.0, "result": "Fail"}],
        },
    )
    made = Metrics(
        version="1",
        views=lambda: [view_of(PLANNED), view_of(blocked)],
        vitals=lambda: Vitals(queue_depth=0, watch_last_event_timestamp_seconds=1.0),
        parts=Parts(pools=lambda: [pool_view_of(SEEN)], fleet=lambda: REPORT),
    )
    made.fleet_solved("Feasible", 0.3)
    made.status_writes_total.labels("Written").inc()
    return generate_latest(made.registry).decode()


def queries() -> list[str]:
    block = re.search(r"^```promql\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert block is not None
    return [line for line in block[1].splitlines() if line and not line.startswith("#")]


def query(part: str) -> str:
    """The only query with this part."""
    (found,) = [each for each in queries() if part in each]
    return found


def series(label_of_namespace: str) -> list[Json]:
    """Each sample as it stands for three hours, with the request's namespace under the label that the scrape gives."""
    found = []
    for family in text_string_to_metric_families(metrics()):
        for sample in family.samples:
            labels = dict(sample.labels)
            if "namespace" in labels:
                labels[label_of_namespace] = labels.pop("namespace")
                labels.setdefault("namespace", "placewright")
            written = ",".join(f'{name}="{value}"' for name, value in labels.items())
            found.append({"series": f"{sample.name}{{{written}}}", "values": f"{sample.value:g}x180"})
    return found


EXPECTED: list[tuple[str, list[float]]] = [
    ("730 * sum", [730 * 19.2]),
    ("1e6 * placewright_cost_usd_per_token", [2.31, 12.5]),
    ("cost_gate_blocked == 1", [1.92, 10.0]),
    ('type="Stalled"', [1]),
    ('state="allocated"', [20 / 28]),
    ('state="free"', [8 * 1.2]),
    ('outcome="Refused"', [2]),
    ("fleet_bound_usd_per_hour", [0.25]),
    ("reconcile_queue_depth == 0", [0]),
]


def test_promtool_finds_nothing_to_say_of_the_metrics(promtool: Path) -> None:
    done = subprocess.run(
        [promtool, "check", "metrics"], input=metrics(), text=True, capture_output=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_query_of_the_page_is_promql(promtool: Path, tmp_path: Path) -> None:
    rules = [{"record": f"page:query{index}", "expr": expr} for index, expr in enumerate(queries())]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "page", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", file], text=True, capture_output=True, check=False, timeout=30)
    assert f"{len(rules)} rules found" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("label_of_namespace", ["namespace", "exported_namespace"])
def test_queries_answer_with_and_without_honor_labels(promtool: Path, tmp_path: Path, label_of_namespace: str) -> None:
    cases = [
        {
            # Values alone count here: which labels they have is what differs.
            "expr": f"count_values by () ('value', round({query(part)}, 0.0001))",
            "eval_time": "2h",
            "exp_samples": [{"labels": f'{{value="{round(value, 4):g}"}}', "value": 1} for value in sorted(values)],
        }
        for part, values in EXPECTED
    ]
    test = {
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series(label_of_namespace), "promql_expr_test": cases}],
    }
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump(test))
    done = subprocess.run([promtool, "test", "rules", file], text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
