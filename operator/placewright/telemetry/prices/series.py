"""Prices from the series of a Prometheus query."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from placewright import catalog
from placewright.api.price_rows import PriceKey, PriceRow
from placewright.api.price_sources import MAX_PRICE_STATES
from placewright.telemetry.prices.errors import PriceSourceError, wrong
from placewright.telemetry.prices.rows import CAPACITY_TYPE, GPU, INSTANCE_TYPE, ZONE, row_of

Sample = tuple[float, float]
"""Unix time and value."""

_LABELS: Final = {"gpu": GPU, "capacity_type": CAPACITY_TYPE, "zone": ZONE, "instance_type": INSTANCE_TYPE}


def rows_of_series(series: Sequence[tuple[Mapping[str, str], Sample]]) -> tuple[PriceRow, ...]:
    """Make prices of an instant query's answer.

    Of several series of one kind, as of several Nodes, the dearest counts; one that is no finite number counts before
    all others, so that it is seen.

    Args:
        series: the labels of each series and its newest sample.

    Raises:
        PriceSourceError: with a line for each series that is no price, or when there is none.
    """
    if not series:
        raise PriceSourceError(wrong("prometheus.query", got="no series", wants="one at least"))
    faults: list[str] = []
    found: dict[PriceKey, PriceRow] = {}
    for labels, (moment, value) in series:
        fields = {column: labels[label] for label, column in _LABELS.items() if labels.get(label)}
        if GPU not in fields:
            known = catalog.instance_type(fields.get(INSTANCE_TYPE, ""))
            if known is not None:
                fields[GPU] = known.gpu
        row = row_of(fields, value, f"prometheus.query: series {_name(labels)}")
        if isinstance(row, list):
            faults += row
            continue
        before = found.get(row.key)
        if before is None or _outranks(value, before.per_gpu_hour):
            found[row.key] = PriceRow(key=row.key, per_gpu_hour=value, as_of=datetime.fromtimestamp(moment, tz=UTC))
    if len(found) > MAX_PRICE_STATES:
        faults.append(wrong("prometheus.query", got=f"{len(found):,} prices", wants=f"at most {MAX_PRICE_STATES:,}"))
    if faults:
        raise PriceSourceError(*faults)
    return tuple(found[key] for key in sorted(found))


def _outranks(value: float, other: float) -> bool:
    if not math.isfinite(other):
        return False
    return not math.isfinite(value) or value > other


def _name(labels: Mapping[str, str]) -> str:
    told = ", ".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != "__name__")
    return f"{{{told[:200]}}}"
