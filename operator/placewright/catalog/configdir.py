"""Constants of the CSV config-dir format: what the fixed-efficiency model assumes of a GPU kind.

They differ from the datasheet values of `gpus.py` on purpose: results of that format are compared with planners that
used these numbers.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from placewright.catalog.files import CONFIGDIR_GPUS, document
from placewright.catalog.gpus import gpu_defaults
from placewright.catalog.keys import UnknownKeyError


class FixedRates(NamedTuple):
    """(TFLOP/s, memory GB/s, share of the TFLOP/s that is reached), as `FixedEfficiency.gpu_rates` holds them."""

    tflops: float
    bandwidth_gbps: float
    efficiency: float


def configdir_rates(key: str) -> FixedRates:
    """Constants of a GPU kind by key or alias. Raises UnknownKeyError, also for kinds that the format does not know."""
    rates = _rates().get(gpu_defaults(key).key)
    if rates is None:
        hint = f"the config-dir format has constants for {', '.join(_rates())}"
        raise UnknownKeyError("config-dir GPU type", key, suggestions=(), hint=hint)
    return rates


def configdir_keys() -> tuple[str, ...]:
    """The GPU kinds that the format knows."""
    return tuple(_rates())


@cache
def configdir_tensor_efficiency() -> Mapping[int, float]:
    """Efficiency by tensor-parallel degree n: a stage of degree n runs n * efficiency times as fast as one GPU."""
    table = document(CONFIGDIR_GPUS)["tensorParallelEfficiency"]
    return MappingProxyType({int(degree): float(share) for degree, share in table.items()})


@cache
def _rates() -> dict[str, FixedRates]:
    return {
        row["key"]: FixedRates(float(row["tflops"]), float(row["bandwidthGbps"]), float(row["efficiency"]))
        for row in document(CONFIGDIR_GPUS)["gpus"]
    }
