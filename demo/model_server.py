"""A vLLM server of the demo, and what Prometheus answers of it to the operator's question for activity.

The server is scripted: when it works and when it rests. Its scrapes follow from that, and the answer from the scrapes
alone, by what each part of the question asks for; nothing here knows what the operator makes of it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from demo.crd import Json

_SCRAPE_SECONDS: Final = 0.5
_OFFSET_SECONDS: Final = 0.1  # scrapes are never on the second
_FINISHED_PER_SECOND: Final = 4.0
_AT_ONCE: Final = 3.0

_ACTIVITY = re.compile(r"\((?P<parts>label_replace\(.+\))\)\[(?P<window>\d+)ms:(?P<step>\d+)ms\]")
_PART = re.compile(r'label_replace\((?P<expr>.+?), "placewright_part", "(?P<part>\w+)", "", ""\)(?: or |$)')
_METRICS: Final = {
    "changes": "vllm:request_success_total",
    "finished": "vllm:request_success_total",
    "running": "vllm:num_requests_running",
    "waiting": "vllm:num_requests_waiting",
    "up": "up",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """What one scrape told: when, requests finished so far, and how many are in work and wait."""

    at: float
    finished: float
    running: float
    waiting: float


class ModelServer:
    """One server.

    Args:
        namespace, pod, instance: labels that a scrape sets.
        model: that it serves.
        began: when Prometheus began to scrape it, Unix time.
    """

    def __init__(self, *, namespace: str, pod: str, instance: str, model: str, began: float) -> None:
        self.namespace = namespace
        self.pod = pod
        self.instance = instance
        self.model = model
        self._began = began
        self._works: tuple[tuple[float, float], ...] = ()

    def works(self, begin: float, end: float = float("inf")) -> None:
        """Requests come from one moment to another; spans are told one after the other."""
        self._works = (*self._works, (begin, end))

    def rests(self, since: float) -> None:
        """No request comes from a moment on; what ran is finished then."""
        self._works = tuple((begin, min(end, since)) for begin, end in self._works if begin < since)

    def scrapes(self, begin: float, end: float) -> list[Scrape]:
        """All after `begin` and until `end`."""
        first = int((max(begin, self._began) - _OFFSET_SECONDS) / _SCRAPE_SECONDS)
        last = int((end - _OFFSET_SECONDS) / _SCRAPE_SECONDS) + 1
        times = (index * _SCRAPE_SECONDS + _OFFSET_SECONDS for index in range(first, last + 1))
        return [self._scrape(at) for at in times if begin < at <= end and at >= self._began]

    def _scrape(self, at: float) -> Scrape:
        worked = sum(max(0.0, min(at, end) - begin) for begin, end in self._works)
        busy = any(begin <= at < end for begin, end in self._works)
        finished = float(int(worked * _FINISHED_PER_SECOND))
        return Scrape(at=at, finished=finished, running=_AT_ONCE if busy else 0.0, waiting=0.0)


def is_activity(expr: str) -> bool:
    """Whether an expression is the question for activity."""
    return _ACTIVITY.fullmatch(expr) is not None


def answer(expr: str, servers: Iterable[ModelServer], now: float) -> list[Json]:
    """The series that Prometheus would answer with.

    Args:
        expr: a question for activity (`is_activity`): parts, and a subquery that looks at them step by step.
        servers: all that are scraped.
        now: of the question, Unix time.
    """
    asked = _ACTIVITY.fullmatch(expr)
    assert asked is not None, "other questions are not asked here"
    window, step = (int(asked[name]) / 1000.0 for name in ("window", "step"))
    grid = [index * step for index in range(int((now - window) // step) + 1, int(now // step) + 1)]
    known = list(servers)
    found: list[Json] = []
    for part in _PART.finditer(asked["parts"]):
        if part["part"] == "grid":
            found.append(_series({"placewright_part": "grid"}, [(time, time) for time in grid]))
        elif part["part"] in _METRICS:  # the others are of what a demo does not have: queues and GPU exporters
            found.extend(_of_part(part["part"], part["expr"], known, grid, step, now))
    return found


def _of_part(
    part: str, expr: str, servers: Sequence[ModelServer], grid: Sequence[float], step: float, now: float
) -> Iterator[Json]:
    for server in servers:
        if not _selected(part, expr, server):
            continue
        points = []
        for time in grid:
            begin = time - step if part == "changes" else time
            inside = server.scrapes(begin, min(time + step, now))
            if inside:
                points.append((time, _VALUES[part](inside)))
        labels = {"instance": server.instance, "placewright_part": part}
        if points:
            yield _series(labels if part == "up" else {**labels, "pod": server.pod}, points)


def _selected(part: str, expr: str, server: ModelServer) -> bool:
    """Whether the selectors of a part name the metric and the labels of a server."""
    inside = f'namespace="{server.namespace}"'
    if part == "up":  # of those servers alone whose requests in work are shown
        return f"up{{{inside}}}" in expr and _selected("running", expr, server)
    return f'{_METRICS[part]}{{{inside},exported_namespace="",model_name="{server.model}"}}' in expr


_VALUES: Final[dict[str, Callable[[list[Scrape]], float]]] = {
    "changes": lambda inside: float(sum(one.finished != next_one.finished for one, next_one in pairwise(inside))),
    "finished": lambda inside: inside[-1].finished,
    "running": lambda inside: max(one.running for one in inside),
    "waiting": lambda inside: max(one.waiting for one in inside),
    "up": lambda _: 1.0,  # no scrape of the demo fails
}


def _series(labels: dict[str, str], points: Sequence[tuple[float, float]]) -> Json:
    values: list[Any] = [[at, f"{value:g}" if abs(value) < 1e6 else repr(value)] for at, value in points]
    return {"metric": labels, "values": values}
