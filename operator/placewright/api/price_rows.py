"""Prices that sources give, as values."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PriceKey:
    """What a price is of.

    Attributes:
        gpu: key of the GPU catalog, or the name of an accelerator.
        capacity_type: OnDemand, Spot or Reserved; empty: any.
        zone: empty: any.
        instance_type: empty: any.
    """

    gpu: str
    capacity_type: str = ""
    zone: str = ""
    instance_type: str = ""

    def __str__(self) -> str:
        """Write it as people say it: `L40S, Spot, eu-west-1a`."""
        return ", ".join(part for part in (self.gpu, self.capacity_type, self.zone, self.instance_type) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """What a source says of one price.

    Attributes:
        key: what it is of.
        per_gpu_hour: USD; it may be zero, negative, infinite or no number at all.
        as_of: since when it holds, or when it was measured; None: the source does not say.
    """

    key: PriceKey
    per_gpu_hour: float
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePrice:
    """What is in force of a price that a source gives.

    Attributes:
        key: what it is of.
        policy: name of the PlacementPolicy that has the source.
        source: its name there.
        per_gpu_hour: USD; None: the source never gave a price that was believed.
        as_of: since when it holds, or is in force where the source does not say.
        stale: why it is stale, in one line; empty: it is not.
        held: what the source says now and is not believed, in one line; empty: nothing.
    """

    key: PriceKey
    policy: str
    source: str
    per_gpu_hour: float | None
    as_of: datetime | None = None
    stale: str = ""
    held: str = ""
