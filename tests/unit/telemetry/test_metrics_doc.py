"""docs/metrics.md lists exactly the series that there are, with their types and labels."""

import re
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.metrics_scene import metrics

DOC = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(?P<name>placewright_\w+)` \| (?P<type>\w+) \| (?P<labels>[\w, ]*) ?\|", re.MULTILINE)


def test_the_page_and_the_series_agree() -> None:
    served = {}
    for family in text_string_to_metric_families(generate_latest(metrics().registry).decode()):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        served[family.name.removesuffix("_total")] = (family.type, labels)
    documented = {
        row["name"].removesuffix("_total"): (row["type"], {name for name in row["labels"].strip().split(", ") if name})
        for row in ROW.finditer(DOC.read_text(encoding="utf-8"))
    }
    assert documented == served
