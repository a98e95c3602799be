"""How the audit trail is doing: for health, metrics and logs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from placewright.telemetry.audit.chain import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkState:
    """One place that records are sent to beside the journal.

    Attributes:
        name: `stdout` or `s3`.
        pending: records that are not there yet.
        lag_seconds: age of the oldest of them; 0: all are there.
        lost: records it will never get from here; the journal has them.
        fault: why it does not go on; empty: it does.
    """

    name: str
    pending: int = 0
    lag_seconds: float = 0.0
    lost: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailState:
    """The trail as it stands.

    Attributes:
        enabled: False: nothing is kept.
        queued: entries that are not written yet.
        oldest_queued_seconds: age of the oldest of them.
        written: records by kind since the start.
        lost: entries since the start for which the queue had no room; a Gap record tells of them.
        fault: why nothing is written now; empty: nothing is wrong.
        damage: what was wrong with the journal that was found at the start; empty: nothing.
        head: the newest written record; None: none yet.
        sinks: the others.
    """

    enabled: bool
    queued: int = 0
    oldest_queued_seconds: float = 0.0
    written: Mapping[str, int] = field(default_factory=dict)
    lost: int = 0
    fault: str = ""
    damage: str = ""
    head: Head | None = None
    sinks: tuple[SinkState, ...] = ()

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that somebody should look at, one line each."""
        found = [f"audit journal: {text}" for text in (self.fault, self.damage) if text]
        if self.lost:
            found.append(f"audit journal: {self.lost} entries were not kept")
        return (*found, *(f"audit sink {sink.name}: {sink.fault}" for sink in self.sinks if sink.fault))
