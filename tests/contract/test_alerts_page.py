"""docs/alerts.md has a part for every alert, and for nothing else."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_tells_of_every_alert() -> None:
    groups = yaml.safe_load((ROOT / "charts/placewright/files/rules.yaml").read_text(encoding="utf-8"))["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"]]
    page = (ROOT / "docs/alerts.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (\w+)$", page, flags=re.MULTILINE) == alerts


def test_every_series_of_the_rules_is_documented() -> None:
    rules = (ROOT / "charts/placewright/files/rules.yaml").read_text(encoding="utf-8")
    metrics = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    used = {re.sub(r"_(count|bucket|sum)$", "", name) for name in re.findall(r"placewright_\w+", rules)}
    assert len(used) > 10
    assert [name for name in sorted(used) if f"| `{name}` |" not in metrics] == []
