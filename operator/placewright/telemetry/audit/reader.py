"""Reading a journal's records, for people and for programs."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from placewright.core.errors import InvalidRequestError
from placewright.telemetry.audit.entry import Json
from placewright.telemetry.audit.record import parsed, plan_of
from placewright.telemetry.audit.segments import lines_of
from placewright.telemetry.audit.verify import material_of

_LONG_NUMBER: Final = re.compile(rb"[0-9]{300}")
_ODD: Final = re.compile(rb"NaN|Infinity|[eE]\+?[0-9]{3}|[0-9]{300}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which records are wanted.

    Attributes:
        namespace: of the request; empty: any.
        name: of the request; empty: any.
        kinds: of records; empty: all.
        since: not older; None: from the beginning.
    """

    namespace: str = ""
    name: str = ""
    kinds: frozenset[str] = frozenset()
    since: datetime | None = None

    def wants(self, record: Json) -> bool:
        """Whether this is one of them."""
        if self.name and (record.get("namespace"), record.get("name")) != (self.namespace, self.name):
            return False
        if self.kinds and record.get("kind") not in self.kinds:
            return False
        moment = moment_of(record)
        return self.since is None or (moment is not None and moment >= self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPlan:
    """A plan in the journal and when it was decided."""

    plan: Json
    time: str


def lines_with_records(path: Path, choice: Choice) -> Iterator[tuple[bytes, Json]]:
    """Iterate over the lines of a journal, or of files of one, with their records. What is no JSON is passed over.

    Whether they are as they were written is another question: see `verify`.

    Raises:
        InvalidRequestError: the path is not there, or has no records.
        OSError: a file cannot be read.
    """
    found = False
    for file in material_of([path]).files:
        for _, line, _ in lines_of(file):
            record = parsed(line)
            if record is not None and not _standard(line, record):
                continue
            found = found or record is not None
            if record is not None and choice.wants(record):
                yield line, record
    if not found:
        wants = "a journal's folder, or files with its records"
        raise InvalidRequestError(str(path), got="no record at all", wants=wants)


def _standard(line: bytes, record: Json) -> bool:
    """Whether other programs can read a record: Python also takes NaN, and numbers beyond any float."""
    if _ODD.search(line) is None:
        return True
    try:
        json.dumps(record, allow_nan=False)
    except ValueError:
        return False
    return _LONG_NUMBER.search(line) is None


def records_of(path: Path, choice: Choice) -> Iterator[Json]:
    """Iterate over the records alone; see `lines_with_records`."""
    return (record for _, record in lines_with_records(path, choice))


def plans_of(path: Path, namespace: str, name: str) -> dict[str, KnownPlan]:
    """Return every plan that a request ever had, by id, with the time when it was decided last.

    Raises:
        InvalidRequestError: the path is not there, or has no records.
        OSError: a file cannot be read.
    """
    found: dict[str, KnownPlan] = {}
    for record in records_of(path, Choice(namespace=namespace, name=name)):
        plan = plan_of(record)
        if plan is not None:
            found[str(plan["id"])] = KnownPlan(plan=plan, time=str(record.get("time", "")))
    return found


def moment_of(record: Json) -> datetime | None:
    """Return when a record was made; None: it does not say."""
    try:
        moment = datetime.fromisoformat(str(record.get("time")))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def as_text(value: object) -> str:
    """Return a field of a record as one cell: text as it is, the rest as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
