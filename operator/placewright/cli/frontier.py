"""The frontier of one request as values, as a table, as data, and as a plot of characters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from placewright.cli import card, extras, text
from placewright.cli.planning import Planned
from placewright.cli.screen import Column, Screen

_PLOT_HEIGHT: Final = 18
_PLOT_WIDTH: Final = 100
_LEAST_PLOT_WIDTH: Final = 40
_THOUSANDS_FROM: Final = 10_000.0

# What plotext draws axes with, for terminals that know ASCII alone.
_ASCII: Final = str.maketrans(dict.fromkeys("┌┐└┘├┤┬┴┼", "+") | {"─": "-", "│": "|"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierRow:
    """One layout that no other beats in both cost and throughput.

    Attributes:
        cost_per_hour: USD.
        tokens_per_second: in the request's token basis.
        cost_per_million_tokens: USD.
        layout: in one line.
        is_plan: the layout that was chosen.
        is_best_price: the least cost per token of all.
    """

    cost_per_hour: float
    tokens_per_second: float
    cost_per_million_tokens: float
    layout: str
    is_plan: bool
    is_best_price: bool

    @property
    def mark(self) -> str:
        """`plan`, `best price` or both."""
        marks = (("plan", self.is_plan), ("best price", self.is_best_price))
        return ", ".join(name for name, holds in marks if holds)


def rows_of(result: Planned) -> tuple[FrontierRow, ...]:
    """The whole frontier, cheapest first."""
    decision = result.decision
    if decision is None:
        return ()
    layouts = [point.layout for point in decision.frontier]
    best = min((layout.cost_per_million_tokens for layout in layouts), default=0.0)
    chosen = None if decision.plan is None else decision.plan.main
    return tuple(
        FrontierRow(
            cost_per_hour=layout.cost_per_hour,
            tokens_per_second=layout.tokens_per_second,
            cost_per_million_tokens=layout.cost_per_million_tokens,
            layout=card.layout_text(layout),
            is_plan=layout == chosen,
            is_best_price=layout.cost_per_million_tokens == best,
        )
        for layout in layouts
    )


def table(screen: Screen, rows: Sequence[FrontierRow]) -> None:
    """Write the frontier as a table."""
    screen.table(
        [
            Column("$/h", "number"),
            Column("tokens/s", "number"),
            Column("$/M tokens", "number"),
            Column("layout", "text"),
            Column("mark"),
        ],
        [
            [
                text.usd(row.cost_per_hour),
                text.rate(row.tokens_per_second),
                text.usd(row.cost_per_million_tokens),
                row.layout,
                row.mark,
            ]
            for row in rows
        ],
    )


def as_data(results: Sequence[Planned]) -> dict[str, Any]:
    """All frontiers as one document; the fields of a point are those of status.frontier."""
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementFrontierList",
        "items": [_item(result) for result in results],
    }


def _item(result: Planned) -> Mapping[str, Any]:
    from placewright.api.figures import figure  # noqa: PLC0415 - --help needs no pydantic

    decision = result.decision
    plan = None if decision is None or decision.plan is None else decision.plan.id
    points = [
        {
            "costPerHour": figure(row.cost_per_hour),
            "tokensPerSecond": figure(row.tokens_per_second),
            "costPerMillionTokens": figure(row.cost_per_million_tokens),
            "summary": row.layout,
            "plan": row.is_plan,
            "bestPrice": row.is_best_price,
        }
        for row in rows_of(result)
    ]
    return {
        "metadata": {"name": result.job.name, "namespace": result.job.namespace},
        "status": {**({"plan": {"id": plan}} if plan is not None else {}), "frontier": points},
    }


def plot(rows: Sequence[FrontierRow], *, width: int, unicode: bool) -> str:
    """Draw tokens per second over cost per hour with characters; nothing when there is no room or nothing to draw."""
    if not rows or width < _LEAST_PLOT_WIDTH:
        return ""
    plotext = extras.load("plotext", extra="plot", what="a plot in the terminal")
    figure = plotext.figure
    figure.clear()
    figure.plot_size(min(width, _PLOT_WIDTH), _PLOT_HEIGHT)
    thousands = max(row.tokens_per_second for row in rows) >= _THOUSANDS_FROM
    scale = 1000.0 if thousands else 1.0
    figure.title(f"{'1000 ' if thousands else ''}tokens/s over $/h: * layout, P plan, B best price")
    for marker, chosen in (
        ("*", rows),
        ("B", [row for row in rows if row.is_best_price]),
        ("P", [row for row in rows if row.is_plan]),
    ):
        if chosen:
            over = [row.cost_per_hour for row in chosen]
            figure.draw(figure.signal(over, [row.tokens_per_second / scale for row in chosen], marker=marker))
    drawn = str(plotext.uncolorize(str(figure.build())))
    lines = [line.rstrip() for line in drawn.splitlines()]
    shown = "\n".join(lines)
    return shown if unicode else shown.translate(_ASCII)
