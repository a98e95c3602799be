"""Figures and layouts as people read them. Money is $/h and $/M tokens, with six significant digits at most."""

from collections.abc import Iterable
from itertools import groupby
from math import floor, isfinite, log10

from placewright.core.model import Layout, Stage


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


def gpus(layout: Layout) -> str:
    """`8 A100 + 4 V100`."""
    return " + ".join(f"{count} {pool}" for pool, count in layout.gpus_by_pool.items())
