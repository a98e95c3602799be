"""How figures and layouts are written: six significant digits in data, short text in messages."""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Final, TypeVar

from placewright.core.figures import per_hour, per_million
from placewright.core.model import Layout, Plan, Replicas

SIGNIFICANT_DIGITS: Final = 6
_SHOWN_LAYOUTS: Final = 3

T = TypeVar("T")


def figure(value: float) -> float:
    """Round to six significant digits, so that equal decisions are equal text on every machine."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def optional_figure(value: float | None) -> float | None:
    """Round; None when there is no finite figure."""
    return figure(value) if value is not None and isfinite(value) else None


def cut(text: str, limit: int) -> str:
    """Return a text of at most this many characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def pools_of(layout: Layout) -> str:
    """Write the pools of a layout in stage order: `a100+v100`."""
    return "+".join(dict.fromkeys(stage.pool for stage in layout.stages))


def tensor_parallel_of(layout: Layout) -> int:
    """Largest tensor-parallel degree among the stages."""
    return max(stage.tensor_parallel for stage in layout.stages)


def plan_text(plan: Plan) -> str:
    """Write a plan in one line: `1 x fp8 TP4 PP2 on l40s, 8 GPUs, $9.6/h, $2.31/M tokens, 1155 tokens/s`."""
    ranked = sorted(plan.replicas, key=lambda entry: entry.weight, reverse=True)
    layouts = " + ".join(_replicas_text(entry) for entry in ranked[:_SHOWN_LAYOUTS])
    more = f" and {len(ranked) - _SHOWN_LAYOUTS} more layouts" if len(ranked) > _SHOWN_LAYOUTS else ""
    gpus = sum(entry.count * entry.layout.gpus for entry in plan.replicas)
    demand = f"{plan.demand_tokens_per_second:.0f} of " if plan.demand_tokens_per_second is not None else ""
    return (
        f"{layouts}{more}, {gpus} {'GPU' if gpus == 1 else 'GPUs'}, {per_hour(plan.cost_per_hour)},"
        f" {per_million(plan.cost_per_million_tokens)} tokens, {demand}{plan.tokens_per_second:.0f} tokens/s"
    )


def _replicas_text(entry: Replicas) -> str:
    layout = entry.layout
    degrees = f"TP{tensor_parallel_of(layout)} PP{len(layout.stages)}"
    return f"{entry.count} x {layout.precision} {degrees} on {pools_of(layout)}"


def thinned(values: Sequence[T], limit: int, keep: Iterable[int] = ()) -> list[T]:
    """Return at most `limit` values in order: both ends, those at the kept positions, and the rest evenly."""
    if len(values) <= limit:
        return list(values)
    chosen = {0, len(values) - 1, *keep}
    free = [index for index in range(len(values)) if index not in chosen]
    wanted = limit - len(chosen)
    chosen.update(free[(2 * step + 1) * len(free) // (2 * wanted)] for step in range(wanted))
    return [values[index] for index in sorted(chosen)]
