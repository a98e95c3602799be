"""What Prometheus answers to the query for activity, computed from stored samples by hand.

It shares nothing with the expressions of the program; tests/prometheus/test_activity.py holds it against the real one.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from placewright.telemetry.prometheus.answers import Answer, Series
from tests.support.activity_worlds import MODEL, SGLANG, Samples, World

Points = Sequence[tuple[float, float]]
Key = tuple[str, str]


def answer_at(world: World, *, window: float, step: float, at: float | None = None) -> Answer:
    """The answer to a look at a world, or at one moment of it; `window` is the time that the steps cover in all."""
    now = world.at if at is None else at
    grid = [index * step for index in range(int((now - window) // step) + 1, int(now // step) + 1)]
    found: dict[tuple[str, Key], list[tuple[float, float]]] = {("grid", ("", "")): [(time, time) for time in grid]}
    for time in grid:
        for part, key, value in _parts(world.samples(), world.namespace, time, step):
            found.setdefault((part, key), []).append((time, value))
    return Answer(series=tuple(_series(part, key, points) for (part, key), points in found.items()))


def _parts(stored: Samples, namespace: str, time: float, step: float) -> Iterator[tuple[str, Key, float]]:
    now, both = (time, time + step), (time - step, time + step)
    yield from _grouped(stored, namespace, 0, both, "changes", _changes, max)
    yield from _grouped(stored, namespace, 0, now, "finished", lambda points: points[-1][1], max)  # by the name
    running = list(_grouped(stored, namespace, 1, now, "running", _most, max))
    yield from running
    yield from _grouped(stored, namespace, 2, now, "waiting", _most, max)
    told = {key[1] for _, key, _ in running}
    ups: dict[str, list[float]] = {}
    for (name, labels), points in stored.items():
        inside = _inside(points, now)
        if name == "up" and inside and dict(labels)["namespace"] == namespace:
            ups.setdefault(dict(labels)["instance"], []).append(min(value for _, value in inside))
    yield from (("up", ("", instance), min(values)) for instance, values in ups.items() if instance in told)


def _grouped(
    stored: Samples,
    namespace: str,
    index: int,
    span: tuple[float, float],
    part: str,
    of: Callable[[Points], float],
    together: Callable[[list[float]], float],
) -> Iterator[tuple[str, Key, float]]:
    values: dict[Key, list[float]] = {}
    for (name, raw), points in stored.items():
        labels, inside = dict(raw), _inside(points, span)
        if name not in (SGLANG.old[index], SGLANG.new[index]) or labels["model_name"] != MODEL or not inside:
            continue
        if (labels.get("exported_namespace") or labels["namespace"]) == namespace:
            values.setdefault((labels["pod"], labels["instance"]), []).append(of(inside))
    for key, each in values.items():
        yield part, key, together(each)


def _inside(points: Points, span: tuple[float, float]) -> Points:
    return [point for point in points if span[0] < point[0] <= span[1]]


def _changes(points: Points) -> float:
    return float(sum(earlier[1] != later[1] for earlier, later in pairwise(points)))


def _most(points: Points) -> float:
    return max(value for _, value in points)


def _series(part: str, key: Key, points: list[tuple[float, float]]) -> Series:
    pod, instance = key
    labels = {"placewright_part": part, "pod": pod, "instance": instance}
    return Series(labels={name: value for name, value in labels.items() if value}, points=tuple(points))


def plain(answer: Answer) -> dict[tuple[tuple[str, str], ...], tuple[tuple[float, float], ...]]:
    """An answer for comparison: series by their labels, in any order."""
    return {tuple(sorted(each.labels.items())): each.points for each in answer.series}
