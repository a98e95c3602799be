"""Where the plans of the past stand in the journal, so that one of them can be restored."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from placewright.telemetry.audit.entry import Json
from placewright.telemetry.audit.record import PLAN_KINDS, hash_of, parsed, plan_of
from placewright.telemetry.audit.segments import lines_of, segments

MAX_PLANS: Final = 200_000

_PlanKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Spot:
    file: str
    offset: int


class PlanIndex:
    """Plans by request and id, and the newest plan of each object; the plans themselves stay in the files.

    Args:
        folder: of the journal.
        max_plans: of these the newest are known.
    """

    def __init__(self, folder: Path, *, max_plans: int = MAX_PLANS) -> None:
        self._folder = folder
        self._max_plans = max_plans
        self._spots: OrderedDict[_PlanKey, _Spot] = OrderedDict()
        self._newest: dict[str, str] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def read(self) -> None:
        """Read all files of the journal, which may be written to meanwhile: what was added is newer than what is read.

        Lines that are no whole record are passed over: nothing is restored from them.

        Raises:
            OSError: a file cannot be read.
        """
        earlier = PlanIndex(self._folder, max_plans=self._max_plans)
        for path in segments(self._folder):
            for offset, line, whole in lines_of(path):
                if self._stopped:
                    return
                if whole and _may_hold_plan(line):
                    earlier._read_line(path, offset, line)
        with self._lock:
            self._spots = OrderedDict([*earlier._spots.items(), *self._spots.items()])
            self._newest = earlier._newest | self._newest

    def stop(self) -> None:
        """End a `read` that is under way in another thread."""
        self._stopped = True

    def add(self, record: Json, file: str, offset: int) -> None:
        """Take in a record that was written."""
        with self._lock:
            self._add(record, file, offset)

    def _add(self, record: Json, file: str, offset: int) -> None:
        if record.get("kind") not in PLAN_KINDS:
            return
        self._newest[str(record.get("uid", ""))] = str(record.get("planId", ""))
        plan = plan_of(record)
        if plan is None:
            return
        key = (str(record.get("namespace", "")), str(record.get("name", "")), str(plan["id"]))
        self._spots[key] = _Spot(file, offset)
        self._spots.move_to_end(key)
        if len(self._spots) > self._max_plans:
            self._spots.popitem(last=False)

    def newest(self, uid: str) -> str:
        """Return the id of the plan that an object had last; empty: none is known."""
        return self._newest.get(uid, "")

    def find(self, namespace: str, name: str, plan_id: str) -> Json | None:
        """Return a plan as it stood in the status; None: it is not in the journal, or its record was changed since."""
        spot = self._spots.get((namespace, name, plan_id))
        if spot is None:
            return None
        try:
            _, line, whole = next(lines_of(self._folder / spot.file, offset=spot.offset))
        except (OSError, StopIteration):
            return None
        record = parsed(line) if whole and hash_of(line) is not None else None
        plan = plan_of(record) if record is not None else None
        return plan if plan is not None and plan["id"] == plan_id else None

    def _read_line(self, path: Path, offset: int, line: bytes) -> None:
        if hash_of(line) is None:
            return
        record = parsed(line)
        if record is not None:
            self.add(record, path.name, offset)


_MARKS: Final = tuple(f'"kind":"{kind}"'.encode() for kind in sorted(PLAN_KINDS))


def _may_hold_plan(line: bytes) -> bool:
    return any(mark in line for mark in _MARKS)
