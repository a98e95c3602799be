"""Points of cost per hour and tokens/s, and how two frontiers are compared."""

from collections.abc import Iterable

from placewright.core.model import Layout

TOLERANCE = 1e-9

Point = tuple[float, float]
"""(USD per hour, tokens/s)."""


def pareto(points: Iterable[Point]) -> list[Point]:
    """Cheapest first, strictly faster as dearer; what differs by rounding alone is one point."""
    kept: list[Point] = []
    for cost, rate in sorted(points, key=lambda point: (point[0], -point[1])):
        if kept and rate <= kept[-1][1] * (1 + TOLERANCE):
            continue
        if kept and cost <= kept[-1][0] * (1 + TOLERANCE):
            kept[-1] = (kept[-1][0], rate)
            continue
        kept.append((cost, rate))
    return kept


def of_layouts(layouts: Iterable[Layout]) -> list[Point]:
    return pareto((layout.cost_per_hour, layout.tokens_per_second) for layout in layouts)


def difference(got: list[Point], want: list[Point]) -> str:
    """Empty when two frontiers are the same to the tolerance; otherwise where they part, with both figures."""
    for place, (mine, due) in enumerate(zip(got, want, strict=False)):
        if any(abs(a - b) > TOLERANCE * max(abs(a), abs(b)) for a, b in zip(mine, due, strict=True)):
            return f"point {place}: got {mine}, want {due}; got {got}, want {want}"
    if len(got) != len(want):
        return f"got {len(got)} points, want {len(want)}: got {got}, want {want}"
    return ""


def cheapest_per_token(points: list[Point]) -> float | None:
    """Least USD per hour over tokens/s; None when there is no point."""
    return min((cost / rate for cost, rate in points), default=None)
