"""Where live prices of a PlacementPolicy come from: files, ConfigMaps, OpenCost, Prometheus; see `docs/prices.md`."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import (
    ABSOLUTE_PATH_PATTERN,
    DATA_KEY_PATTERN,
    URL_PATTERN,
    Duration,
    Inert,
    Label,
    Promql,
    Span,
    StatusPart,
    Subdomain,
    rule,
    rules,
)
from placewright.api.hardware import GpuName
from placewright.api.status import Message, Time

MAX_SOURCES: Final = 16
MAX_PRICE_STATES: Final = 1000

DEFAULT_REFRESH: Final = "1m"
DEFAULT_CONFIRM: Final = "1h"
DEFAULT_LIVE_MAX_AGE: Final = "1h"
DEFAULT_LIVE_CHANGE_PERCENT: Final = 1.0

PriceForm = Literal["CSV", "JSON"]
CapacityType = Literal["OnDemand", "Spot", "Reserved"]


class PriceFile(Inert):
    """A table in a file."""

    path: Annotated[str, Field(min_length=1, max_length=1024)]
    """Path of the file. The operator reads only below the folder of --price-dir, where a relative path begins; on the
    command line a relative path begins at the folder of the policy's file."""
    format: PriceForm | None = None
    """CSV or JSON; when left out, what the path ends with."""


class PriceConfigMap(Inert):
    """A table in a ConfigMap of the operator's own namespace."""

    name: Subdomain
    """Name of the ConfigMap."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=DATA_KEY_PATTERN)]
    """Key of its data that holds the table."""
    format: PriceForm | None = None
    """CSV or JSON; when left out, what the key ends with."""


class PriceOpenCost(Inert):
    """What OpenCost knows of the cluster's Nodes (its API /assets)."""

    url: Annotated[str, Field(min_length=8, max_length=1024, pattern=URL_PATTERN)]
    """Address of OpenCost's API, such as http://opencost.opencost:9003."""
    window: Duration = "1h"
    """How far back the costs are taken that the price per hour is made of."""
    cost: Literal["Node", "GPU"] = "Node"
    """What of a Node its GPUs pay: the whole Node, as the list price of an instance type has it, or only what OpenCost
    calls the GPU's share, without processors and memory."""
    ca_file: Annotated[str, Field(min_length=1, max_length=1024, pattern=ABSOLUTE_PATH_PATTERN)] | None = None
    """File in the operator's pod with the certificates that an https address is checked with; the system's own when
    left out."""


class PricePrometheus(Inert):
    """A query on the Prometheus of the policy or the operator."""

    query: Promql
    """PromQL whose series are USD per GPU and hour. Label gpu (a key of the catalog) says what they are of, or
    instance_type where the catalog knows it; labels capacity_type (spot, on-demand, reserved), zone and instance_type
    narrow it."""


class PriceSource(Inert):
    """One source of prices. Its prices are entries as those of spec.prices, and win over entries that name as much."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "(has(self.file) ? 1 : 0) + (has(self.configMap) ? 1 : 0) + (has(self.openCost) ? 1 : 0)"
                " + (has(self.prometheus) ? 1 : 0) == 1",
                "wants exactly one of file, configMap, openCost and prometheus",
            )
        )
    )

    name: Label
    """Name of the source in statuses, metrics and the audit."""
    file: PriceFile | None = None
    """A table in a file."""
    config_map: PriceConfigMap | None = None
    """A table in a ConfigMap of the operator's own namespace."""
    open_cost: PriceOpenCost | None = None
    """What OpenCost knows of the cluster's Nodes."""
    prometheus: PricePrometheus | None = None
    """A query on Prometheus."""
    refresh_interval: Duration = DEFAULT_REFRESH
    """How often the source is read; ten seconds at least."""
    max_age: Duration | None = None
    """From this age on a price is stale: it stays in force, and conditions say so. 1h for openCost and prometheus when
    left out; no limit for tables, whose asOf is the age where they give one."""
    confirm_after: Span = DEFAULT_CONFIRM
    """How long a price more than ten times, or less than a tenth, of the one before must stand until it counts. Zero,
    negative and not finite prices never count."""
    min_change_percent: float | None = Field(default=None, ge=0, le=50)
    """Smaller changes do not count, so that plans stay while a price only trembles. 1 for openCost and prometheus when
    left out, 0 for tables."""


class HeldBackPrice(StatusPart):
    """A price that a source gives and that is not believed yet."""

    per_gpu_hour: float | None = None
    """USD per GPU and hour when it was first seen; absent when it is no finite number."""
    reason: Literal["Negative", "Zero", "NotFinite", "Jump"]
    """Why it is held back."""
    since: Time
    """Since when the source says so."""


class LivePriceState(StatusPart):
    """What is in force of one row of a source, and what is held back."""

    source: Annotated[str, Field(max_length=63)]
    """Name of the source."""
    gpu: GpuName
    """GPU kind."""
    capacity_type: CapacityType | None = None
    """How the Nodes are bought; any way when absent."""
    zone: Annotated[str, Field(max_length=63)] | None = None
    """Zone of the Nodes; any when absent."""
    instance_type: Annotated[str, Field(max_length=63)] | None = None
    """Instance type of the Nodes; any when absent."""
    per_gpu_hour: float | None = None
    """USD per GPU and hour in force; absent when none was ever believed."""
    since: Time | None = None
    """Since when it is in force."""
    as_of: Time | None = None
    """Since when the price holds, as the source says."""
    held_back: HeldBackPrice | None = None
    """What the source says now and what is not believed yet."""


class PriceSourceState(StatusPart):
    """How a source is doing."""

    name: Annotated[str, Field(max_length=63)]
    """Name of the source."""
    state: Literal["Fresh", "Stale", "Unread"]
    """Fresh; Stale: it gives no prices that are new enough, and the last ones stay in force; Unread: it never gave
    any."""
    message: Message | None = None
    """What is wrong; absent while nothing is."""
