"""Reads stored objects without ever failing: the metrics must not break over a status that another version wrote."""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any


def mapping(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The map of this name; empty when there is none."""
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def entries(parent: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The maps in the list of this name; empty when there is none."""
    value = parent.get(name)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def number(value: Any) -> float | None:
    """The number; None when it is none, or NaN, or infinite."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:  # JSON sets no limit to an integer
        return None
    return found if isfinite(found) else None


def unix_seconds(value: Any) -> float | None:
    """Unix time of a date or a time as JSON holds it (`2026-11-21`, `2026-11-21T10:00:00Z`); UTC by default."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
