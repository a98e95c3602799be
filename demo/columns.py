"""The table of `kubectl get`, from the printer columns of the generated CRD."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_STEP = re.compile(r'\.(?P<name>[A-Za-z0-9_-]+)|\[\?\(@\.(?P<key>\w+)==["\'](?P<value>[^"\']*)["\']\)\]')


def table(crd: Mapping[str, Any], resources: Sequence[Mapping[str, Any]]) -> str:
    """The resources as `kubectl get` shows them; columns of a priority above 0 belong to `-o wide`."""
    columns = [
        column for column in crd["spec"]["versions"][0]["additionalPrinterColumns"] if not column.get("priority", 0)
    ]
    rows = [
        ["NAME", *(column["name"].upper() for column in columns)],
        *(
            [resource["metadata"]["name"], *(cell(column, resource) for column in columns)]
            for resource in sorted(resources, key=lambda found: str(found["metadata"]["name"]))
        ),
    ]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(
        "   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def cell(column: Mapping[str, Any], resource: Mapping[str, Any]) -> str:
    """One cell; empty when the resource has no such value."""
    found = value_at(column["jsonPath"], resource)
    if found is None:
        return ""
    return _age(found) if column["type"] == "date" else str(found)


def value_at(path: str, resource: Mapping[str, Any]) -> Any:
    """What a JSONPath of a printer column finds: names, and filters such as `[?(@.type=="Ready")]`.

    Raises:
        ValueError: the path uses more of JSONPath than that.
    """
    found: Any = resource
    position = 0
    for step in _STEP.finditer(path):
        if step.start() != position:
            break
        position = step.end()
        if step["name"]:
            found = found.get(step["name"]) if isinstance(found, Mapping) else None
        else:
            entries = found if isinstance(found, list) else []
            found = next((entry for entry in entries if str(entry.get(step["key"])) == step["value"]), None)
    if position != len(path):
        raise ValueError(f"jsonPath: got {path}, wants names and [?(@.key=='value')] filters only")
    return found


def _age(text: str) -> str:
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds())
    return f"{seconds}s" if seconds < 120 else f"{seconds // 60}m"
