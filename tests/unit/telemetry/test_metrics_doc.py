"""docs/metrics.md lists exactly the series that there are, with their types and labels."""

import re
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from placewright.telemetry.metrics import Metrics, Parts, Vitals
from placewright.telemetry.views import pool_view_of, view_of
from tests.unit.telemetry.test_fleet_metrics import REPORT, SEEN
from tests.unit.telemetry.test_metrics import PLANNED

DOC = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(?P<name>placewright_\w+)` \| (?P<type>\w+) \| (?P<labels>[\w, ]*) ?\|", re.MULTILINE)


def test_the_page_and_the_series_agree() -> None:
    metrics = Metrics(
        version="1",
        views=lambda: [view_of(PLANNED)],
        vitals=lambda: Vitals(queue_depth=0, watch_last_event_timestamp_seconds=1.0),
        parts=Parts(pools=lambda: [pool_view_of(SEEN)], fleet=lambda: REPORT),
    )
    metrics.solve_duration_seconds.labels("Exact", "Optimal").observe(0.1)
    metrics.status_writes_total.labels("Written").inc()
    served = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        served[family.name.removesuffix("_total")] = (family.type, labels)
    documented = {
        row["name"].removesuffix("_total"): (row["type"], {name for name in row["labels"].strip().split(", ") if name})
        for row in ROW.finditer(DOC.read_text(encoding="utf-8"))
    }
    assert documented == served
