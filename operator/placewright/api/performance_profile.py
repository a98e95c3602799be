"""A PerformanceProfile: measured or fitted rows of a model, with their source and date."""

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import Inert, Key, StatusPart, Time, list_map
from placewright.api.resource import ObjectMeta
from placewright.api.spec import Measurement
from placewright.api.status import Condition

MAX_ROWS: Final = 10_000


class PerformanceProfileSpec(Inert):
    """What replicas of a model sustain."""

    model: Key
    """Model that the rows speak of, as model.name of a request names it."""
    source: Annotated[str, Field(min_length=1, max_length=512)]
    """Where the rows come from: the benchmark, its version, who ran it."""
    as_of: Time | None = None
    """When the rows were measured, such as 2026-10-02T00:00:00Z."""
    method: Literal["Measured", "Fitted"] = "Measured"
    """Measured: each row was measured. Fitted: rows come from a model fitted to measurements. Both are used as they
    stand; measured rows are preferred, and plans from fitted rows say so."""
    rows: list[Measurement] = Field(
        min_length=1, max_length=MAX_ROWS, json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """What one replica of a configuration sustains on requests of one size alone. An API server holds 10,000 short
    rows, or about 8,000 with all fields (1.5 MiB); above 256 KiB use kubectl apply --server-side."""


class PerformanceProfile(Inert):
    """Measured or fitted rows of a model."""

    model_config = ConfigDict(title="PerformanceProfile")

    api_version: Literal["placewright.dev/v1alpha1"]
    kind: Literal["PerformanceProfile"]
    metadata: ObjectMeta
    spec: PerformanceProfileSpec
    status: dict[str, Any] | None = None


class PerformanceProfileStatus(StatusPart):
    """Whether the rows can be used."""

    observed_generation: int = -1
    """Generation of the spec that this status speaks of; -1 before the profile is seen."""
    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))] | None = None
    """Ready, with RowsUsable, or InvalidSpec when the rows cannot be used."""
    rows: int | None = None
    """Rows of the profile."""
