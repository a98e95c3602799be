"""Prometheus' own tool on the metrics and on the queries of docs/metrics.md; no server is needed for these."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import metrics_scene

Json = dict[str, Any]

PAGE = Path(__file__).resolve().parents[2] / "docs/metrics.md"


def metrics() -> str:
    return generate_latest(metrics_scene.metrics().registry).decode()


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
    ("730 * sum(placewright_cost", [730 * (19.2 + 12.0 + 4.8 + 4.0)]),
    ("1e6 * placewright_cost_usd_per_token", [1.5, 2.0, 2.31, 4.0, 12.5]),
    ("cost_gate_blocked == 1", [1.2, 10.0]),
    ('gate_result{result="Unknown"', [1]),
    ("input_fresh == 0", [0]),
    ("observed_cost_ratio > 1.2", [1.32]),
    ("demand_measured_requests_per_second /", [1.075]),
    ("ramp_traffic_percent unless", [50]),
    ("idle_burn_usd_per_hour > 0", [1.0, 4.8]),
    ("730 * sum(placewright_idle_avoided", [730 * 3.0]),
    ('idle_signal{result="Missing"', [1]),
    ('rollout_phase{phase="Failed"', [1]),
    ('workload_replicas{state="wanted"', [1]),
    ("1 - placewright_fleet_ceiling", [0.2]),
    ("1 - placewright_namespace_ceiling", [0.04]),
    ("placewright_price_held_back", [1]),
    ("price_source_fresh == 0", [0]),
    ('type="Stalled"', [1, 1]),
    ('state="allocated"', [20 / 28]),
    ('state="free"', [8 * 1.2]),
    ('outcome="Refused"', [1]),
    ("fleet_bound_usd_per_hour", [0.2]),
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
            "exp_samples": [
                {"labels": f'{{value="{round(value, 4):g}"}}', "value": count}
                for value, count in sorted(Counter(values).items())
            ],
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
