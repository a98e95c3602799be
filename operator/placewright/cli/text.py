"""Figures and layouts as people read them. Money is $/h and $/M tokens, with six significant digits at most."""

from collections.abc import Iterable
from itertools import groupby
from math import floor, isfinite, log10

from placewright.core.model import Plan, Stage


def usd(value: float) -> str:
    """`$8.00`, `$0.103563`, `$1,234.50`: six significant digits, at least two decimals."""
    if not isfinite(value):
        return "-"
    if value == 0:
        return "$0.00"
    digits_before_point = floor(log10(abs(value))) + 1
    text = f"{value:,.{max(2, 6 - digits_before_point)}f}"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(2, "0")
    sign, whole = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}${whole}.{fraction}"


def per_hour(value: float) -> str:
    """`$8.00/h`."""
    return f"{usd(value)}/h"


def per_million(value: float) -> str:
    """`$0.103563/M tokens`."""
    return f"{usd(value)}/M tokens"


def rate(tokens_per_second: float) -> str:
    """`21,457.7`: tokens per second."""
    return f"{tokens_per_second:,.1f}"


def seconds(value: float) -> str:
    """`41 ms`, `1.25 s`."""
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.4g} s"


def percent(value: float) -> str:
    """`4.92 %`, `0 %`."""
    return f"{value:.3g} %" if abs(value) < 1000 else f"{value:,.0f} %"


def counted(count: int, noun: str) -> str:
    """`1 layer`, `40 layers`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def stages(given: Iterable[Stage]) -> str:
    """`4 x A100 TP1 (10 layers) + 1 x V100 TP4 (12 layers)`, in the order of the pipeline."""
    runs = groupby(given, key=lambda stage: (stage.pool, stage.tensor_parallel, stage.layers))
    return " + ".join(
        f"{len(list(run))} x {pool} TP{tensor_parallel} ({counted(layers, 'layer')})"
        for (pool, tensor_parallel, layers), run in runs
    )


def change(old: float | None, new: float | None) -> str:
    """`$2.40 -> $3.60 (+$1.20)`, `$2.40` when nothing changed, `- -> $3.60` for what is new."""
    if old is None and new is None:
        return "-"
    if old is None or new is None:
        return f"{'-' if old is None else usd(old)} -> {'-' if new is None else usd(new)}"
    return usd(new) if usd(old) == usd(new) else f"{usd(old)} -> {usd(new)} ({signed(new - old)})"


def signed(value: float) -> str:
    """`+$1.20`, `-$0.40`, `$0.00`: a difference of money."""
    told = usd(value)
    return f"+{told}" if value > 0 and told != "$0.00" else told.removeprefix("-") if told == "-$0.00" else told


def shape(given: Iterable[tuple[str, int]]) -> str:
    """`l40s TP4 PP2`, `a100 TP4 + l40s TP2 PP3`: pool and TP degree of each stage, like neighbours counted."""
    runs = [(pool, degree, len(list(run))) for (pool, degree), run in groupby(given)]
    return " + ".join(f"{pool} TP{degree}{f' PP{count}' if count > 1 else ''}" for pool, degree, count in runs)


def replicas(entries: Iterable[tuple[int, str, Iterable[tuple[str, int]]]]) -> str:
    """`2 x fp8 l40s TP4, 1 x fp8 a100 TP2`: count, precision and stages of each layout of a plan."""
    return ", ".join(f"{count} x {precision} {shape(stages)}" for count, precision, stages in entries)


def age(seconds: float) -> str:
    """`40 s`, `12 min`, `5 h`, `3 days`: how old something is."""
    if seconds < 120:
        return f"{max(seconds, 0):.0f} s"
    for size, most, unit in ((60.0, 120.0, "min"), (3600.0, 48.0, "h")):
        if seconds / size < most:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400.0:.0f} days"


def plan_shape(plan: Plan) -> str:
    """`2 x fp8 l40s TP4, 1 x fp8 a100 TP2`: the layouts of a plan, most traffic first."""
    return replicas(
        (entry.count, entry.layout.precision, [(stage.pool, stage.tensor_parallel) for stage in entry.layout.stages])
        for entry in sorted(plan.replicas, key=lambda each: -each.weight)
    )


def plan_gpus(plan: Plan) -> str:
    """`12: 8 A100 + 4 V100`: GPUs of all replicas, in all and by pool."""
    used: dict[str, int] = {}
    for entry in plan.replicas:
        for pool, count in entry.layout.gpus_by_pool.items():
            used[pool] = used.get(pool, 0) + count * entry.count
    return f"{sum(used.values())}: " + " + ".join(f"{count} {pool}" for pool, count in used.items())
