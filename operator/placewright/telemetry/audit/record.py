"""One record as a line: canonical JSON with its own hash at the end, linked to the record before.

`{"chain":...,"prev":...,"seq":...,"time":...,"hash":"<SHA-256>"}`: keys sorted, no spaces, ASCII only, `hash` last.
The hash is over the bytes of the line without `,"hash":"..."`, so that anybody can check a line with `sha256sum`, and
a changed byte is a changed hash whatever JSON would make of it.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from placewright.telemetry.audit.entry import Entry, EntryKind, Json

NO_HASH: Final = "0" * 64
"""What the first record of a chain follows."""

_MARK: Final = b',"hash":"'
_TAIL: Final = len(_MARK) + 64 + len(b'"}')

_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Line:
    """A record as it stands in a file, without the line's end, and what the next record needs of it."""

    data: bytes
    seq: int
    hash: str


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return JSON with sorted keys, no spaces, ASCII only."""
    return _encoder.encode(value).encode("ascii")


def sealed(body: Mapping[str, Any]) -> Line:
    """Return the line of a record; `body` has everything but the hash. Never raises: what is no JSON becomes text."""
    try:
        data = canonical(body)
    except (TypeError, ValueError, RecursionError):
        data = canonical({name: _plain(value) for name, value in body.items()})
    digest = hashlib.sha256(data).hexdigest()
    return Line(data=b"".join((data[:-1], _MARK, digest.encode("ascii"), b'"}')), seq=body["seq"], hash=digest)


def hash_of(line: bytes) -> str | None:
    """Return the hash that a line carries when its bytes have that hash; None: it is not a whole, unchanged record."""
    end = len(line) - _TAIL
    if end < 1 or line[end : end + len(_MARK)] != _MARK or line[-2:] != b'"}':
        return None
    digest = hashlib.sha256(line[:end])
    digest.update(b"}")
    found = digest.hexdigest()
    return found if line[-66:-2] == found.encode("ascii") else None


def parsed(line: bytes) -> Json | None:
    """Return a line's JSON object whether or not its hash is right; None: it is none."""
    try:
        found = json.loads(line)
    except ValueError:  # also bytes that are no UTF-8
        return None
    except RecursionError:
        return None
    return found if isinstance(found, dict) else None


def timestamp(moment: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def body_of(entry: Entry) -> Json:
    """Return the fields of an entry; what is empty is left out."""
    found: Json = {
        "kind": str(entry.kind),
        "namespace": entry.namespace,
        "name": entry.name,
        "uid": entry.uid,
        "planId": entry.plan_id,
        "inputsHash": entry.inputs_hash,
        "actor": entry.actor,
        "oldCostPerHour": _finite(entry.old_cost_per_hour),
        "newCostPerHour": _finite(entry.new_cost_per_hour),
        "reason": str(entry.reason),
        "message": entry.message,
        "details": entry.details,
    }
    return {name: value for name, value in found.items() if value is not None and value not in ("", {})}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _plain(value: Any, depth: int = 0) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping) and depth < 32:
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and depth < 32:
        return [_plain(item, depth + 1) for item in value]
    return str(value)


def plan_of(record: Mapping[str, Any]) -> Json | None:
    """Return the plan that a record holds (`status.plan` of that time); None: it holds none."""
    details = record.get("details")
    plan = details.get("plan") if isinstance(details, dict) else None
    return plan if isinstance(plan, dict) and isinstance(plan.get("id"), str) else None


PLAN_KINDS: Final = frozenset({str(EntryKind.DECISION), str(EntryKind.FOUND), str(EntryKind.ROLLBACK)})
"""Kinds of records that tell which plan a request has."""
