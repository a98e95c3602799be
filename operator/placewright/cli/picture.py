"""The frontier as a picture: PNG, SVG, and a self-contained HTML page."""

import io
from collections.abc import Sequence
from html import escape
from typing import Any, Final

from placewright.cli import extras, text
from placewright.cli.frontier import FrontierRow, rows_of
from placewright.cli.planning import Planned

_INCHES: Final = (8.0, 4.5)
_DOTS_PER_INCH: Final = 150
_COLOUR: Final = "#2563eb"
_PLAN_COLOUR: Final = "#dc2626"

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
svg { max-width: 100%; height: auto; background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .7rem; text-align: left; border-bottom: 1px solid #8886; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.plan { font-weight: 600; }
"""


def render(results: Sequence[Planned], form: str) -> bytes:
    """All frontiers in one picture (png, svg) or page (html).

    Raises:
        FaultsError: matplotlib is not installed.
    """
    return _page(results) if form == "html" else _drawn(results, form)


def _drawn(results: Sequence[Planned], form: str) -> bytes:
    matplotlib = extras.load("matplotlib", extra="plot", what=f"-o {form}")
    figures = extras.load("matplotlib.figure", extra="plot", what=f"-o {form}")
    settings = {"svg.hashsalt": "placewright", "svg.fonttype": "none"}
    with matplotlib.rc_context(settings):  # equal frontiers give equal files
        figure = figures.Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
        axes = figure.add_subplot()
        for result in results:
            _draw(axes, result, alone=len(results) == 1)
        axes.set_xlabel("cost, $/h")
        axes.set_ylabel("throughput, tokens/s")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        if any(rows_of(result) for result in results):
            axes.legend(loc="best")
        out = io.BytesIO()
        figure.savefig(out, format=form, metadata={"Date": None} if form == "svg" else None)
    return out.getvalue()


def _draw(axes: Any, result: Planned, *, alone: bool) -> None:
    """One frontier as steps: what a budget buys."""
    rows = rows_of(result)
    if not rows:
        return
    axes.step(
        [row.cost_per_hour for row in rows],
        [row.tokens_per_second for row in rows],
        where="post",
        marker="o",
        color=_COLOUR if alone else None,
        label=f"{result.job.title}: best layouts",
    )
    for row in rows:
        if row.is_plan:
            label = f"plan, {text.per_million(row.cost_per_million_tokens)}".replace("$", r"\$")
            over, height = [row.cost_per_hour], [row.tokens_per_second]
            axes.plot(over, height, marker="*", markersize=16, linestyle="", color=_PLAN_COLOUR, label=label)


def _page(results: Sequence[Planned]) -> bytes:
    sections = "".join(_section(result) for result in results)
    title = escape(", ".join(result.job.title for result in results))
    page = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Frontier of {title}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{sections}</body>\n</html>\n"
    )
    return page.encode()


def _section(result: Planned) -> str:
    drawing = _drawn([result], "svg").decode()
    drawing = drawing[drawing.index("<svg") :]
    rows = "".join(_row(row) for row in rows_of(result))
    head = "".join(
        f'<th class="{kind}">{name}</th>'
        for name, kind in (
            ("$/h", "number"),
            ("tokens/s", "number"),
            ("$/M tokens", "number"),
            ("Layout", "text"),
            ("Mark", "text"),
        )
    )
    return (
        f"<h1>{escape(result.job.title)}</h1>\n{drawing}\n<table>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>{rows}</tbody>\n</table>\n"
    )


def _row(row: FrontierRow) -> str:
    numbers = (text.usd(row.cost_per_hour), text.rate(row.tokens_per_second), text.usd(row.cost_per_million_tokens))
    cells = "".join(f'<td class="number">{number}</td>' for number in numbers)
    kind = ' class="plan"' if row.is_plan else ""
    return f"<tr{kind}>{cells}<td>{escape(row.layout)}</td><td>{row.mark}</td></tr>\n"
