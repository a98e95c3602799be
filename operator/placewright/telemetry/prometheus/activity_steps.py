"""The answer of the query for activity, step by step: a history of each server, and of a gateway's queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from placewright.core import model as core
from placewright.telemetry.prometheus.answers import Answer, Series
from placewright.telemetry.prometheus.wants import PART

Told = Mapping[str, Mapping[float, float]]
"""The points of each part, by time."""


class Part(StrEnum):
    """The parts of the query: the value of the label PART of their series."""

    GRID = "grid"  # the times at which the server looked, whatever it found
    CHANGES = "changes"  # of the counters of finished requests
    FINISHED = "finished"  # their sum
    RUNNING = "running"
    WAITING = "waiting"
    UP = "up"
    GPU = "gpu"
    QUEUE = "queue"
    PICKER = "picker"


class Steps:
    """The answer, step by step.

    Args:
        answer: of the query; its series say by the label PART what they are.
        step: seconds.
        as_of: when it was given, by the server's clock.
    """

    def __init__(self, answer: Answer, step: float, as_of: float) -> None:
        parts: dict[str, list[Series]] = {}
        for series in answer.series:
            parts.setdefault(series.labels.get(PART, ""), []).append(series)
        self._parts = parts
        self._step = step
        self._as_of = as_of
        grid = parts.get(Part.GRID, ())
        self._times = [at for at, _ in grid[0].points] if len(grid) == 1 else []

    @property
    def fault(self) -> str:
        """Why the answer cannot be read; empty: it can."""
        return "" if self._times else "the answer does not tell its own times"

    @property
    def queue(self) -> tuple[tuple[float, float], ...] | None:
        """The most requests in front in each step; None: there is no picker."""
        queues, pickers = (_points(self._parts.get(part, ())) for part in (Part.QUEUE, Part.PICKER))
        found = {at: queues.get(at, 0.0 if at in pickers else None) for at in self._times}
        told = tuple((self._end(at), value) for at, value in found.items() if value is not None)
        return told if pickers or queues else None

    @property
    def servers(self) -> tuple[core.ServerHistory, ...]:
        """One history of each Pod; of what is no Pod, of each address."""
        per_server = (Part.CHANGES, Part.FINISHED, Part.RUNNING, Part.WAITING)
        named = [series.labels for part in per_server for series in self._parts.get(part, ())]
        pods: dict[str, set[str]] = {}
        for labels in named:
            pods.setdefault(_pod(labels), set()).add(labels.get("instance", ""))
        return tuple(self._history(pod, sorted(pods[pod])) for pod in sorted(pods))

    def _history(self, pod: str, instances: Sequence[str]) -> core.ServerHistory:
        """One Pod may be scraped at several addresses: each must tell everything."""
        gpu = _points([each for each in self._parts.get(Part.GPU, ()) if each.labels.get("pod") == pod])
        told = [self._told(pod, instance) for instance in instances]
        slots = []
        for index, at in enumerate(self._times):
            earlier = self._times[index - 1] if index else None
            here = [_Step.at(at, earlier, each) for each in told]
            if index == len(self._times) - 1 and all(each.empty for each in here):
                continue  # it has only begun, and no scrape fell into it yet
            slots.append(
                core.Slot(
                    at=self._end(at),
                    finished=_worst([each.finished for each in here]),
                    running=_most([each.running for each in here]),
                    waiting=_most([each.waiting for each in here]),
                    up=_all_up([each.up for each in here]),
                    gpu_utilization_percent=gpu.get(at),
                )
            )
        return core.ServerHistory(server=pod, slots=tuple(slots))

    def _told(self, pod: str, instance: str) -> Told:
        def own(series: Series) -> bool:
            return _pod(series.labels) == pod and series.labels.get("instance", "") == instance

        found: dict[str, Mapping[float, float]] = {
            part: _points([each for each in self._parts.get(part, ()) if own(each)])
            for part in (Part.CHANGES, Part.FINISHED, Part.RUNNING, Part.WAITING)
        }
        ups = [each for each in self._parts.get(Part.UP, ()) if each.labels.get("instance", "") == instance]
        return found | {Part.UP: _points(ups)}

    def _end(self, at: float) -> float:
        """The end of the step that begins then; the newest one ends with the answer."""
        last = at == self._times[-1]
        return max(at, min(at + self._step, self._as_of)) if last else at + self._step


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What one address told of one step."""

    finished: bool | None
    running: float | None
    waiting: float | None
    up: bool | None

    @classmethod
    def at(cls, at: float, earlier: float | None, told: Told) -> "_Step":
        total, changes, up = (told[part].get(at) for part in (Part.FINISHED, Part.CHANGES, Part.UP))
        before = None if earlier is None else told[Part.FINISHED].get(earlier)
        # A series that appears has no change of its own, and its requests are in the sum.
        changed = changes != 0.0 or (before is not None and total != before)
        return cls(
            finished=None if total is None or changes is None else changed,
            running=told[Part.RUNNING].get(at),
            waiting=told[Part.WAITING].get(at),
            up=None if up is None else up == 1.0,
        )

    @property
    def empty(self) -> bool:
        return self.finished is None and self.running is None and self.waiting is None and self.up is None


def _pod(labels: Mapping[str, str]) -> str:
    return labels.get("pod") or labels.get("instance", "")


def _points(found: Sequence[Series]) -> dict[float, float]:
    """The points of the only series; none where several claim to be it, since nobody knows which one is."""
    return dict(found[0].points) if len(found) == 1 else {}


def _worst(values: Sequence[bool | None]) -> bool | None:
    """Any that changed; else unknown where any is."""
    if any(values):
        return True
    return None if None in values else False


def _most(values: Sequence[float | None]) -> float | None:
    """The most, so that work shows even where one address does not tell; unknown otherwise."""
    known = [value for value in values if value is not None]
    most = max(known, default=None)
    return most if len(known) == len(values) or (most or 0.0) > 0.0 else None


def _all_up(values: Sequence[bool | None]) -> bool | None:
    if any(value is False for value in values):
        return False
    return None if None in values else True
