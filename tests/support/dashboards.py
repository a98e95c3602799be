"""The chart's dashboards as Grafana reads them: their queries with variables filled in."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FOLDER = Path(__file__).resolve().parents[2] / "charts/placewright/files/dashboards"
_VARIABLE = re.compile(r"\$\{?([a-zA-Z_]\w*)\}?")
_LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), *(?P<label>\$?\w+)\)")


def files() -> list[Path]:
    """All of them."""
    return sorted(FOLDER.glob("*.json"))


def read(path: Path) -> Json:
    """One of them."""
    loaded: Json = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def panels(dashboard: Json) -> Iterator[Json]:
    """Every panel, also those folded into rows, without the rows."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def filled(text: str, chosen: Mapping[str, str]) -> str:
    """The text with each variable as Grafana puts it in; `$name` is the longest name that fits.

    Raises:
        KeyError: a variable that is not among the chosen.
    """
    return _VARIABLE.sub(lambda found: chosen[found[1]], text)


def label_values(query: str) -> tuple[str, str]:
    """Selector and label of a variable's query."""
    found = _LABEL_VALUES.fullmatch(query)
    assert found is not None, query
    return found["selector"], found["label"]
