"""What the operator's parts tell the metrics beside the API: live figures and the audit trail.

Everything here is read on a scrape, from another thread than the operator's: the values are immutable, and a callable
that gives them must not wait.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from placewright.core.model import GateOutcome


class InputName(StrEnum):
    """The live inputs of a request, as the label `input` names them."""

    DEMAND = "Demand"
    REVENUE = "Revenue"
    OBSERVATION = "Observation"  # what it really serves
    PRICES = "Prices"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFigure:
    """One live input of a request.

    Attributes:
        name: which one.
        age_seconds: of its newest figure; None: there is none, or nobody knows its age.
        fault: why it is not usable now, in one line; empty: it is fresh.
    """

    name: InputName
    age_seconds: float | None
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFigures:
    """Exact figures of one request as they were looked at last; what its status holds changes by bands only.

    Attributes:
        gates: of `core.gates.evaluate_live` for the plan in force; a gate without an actual value has no usage.
        observed_cost_usd_per_token: cost of the plan by what it really serves; None: not known.
        demand_requests_per_second: as measured last, not the demand in force; None: not measured.
        inputs: every live input that the request asks for, with its age or its fault.
    """

    gates: tuple[GateOutcome, ...] = ()
    observed_cost_usd_per_token: float | None = None
    demand_requests_per_second: float | None = None
    inputs: tuple[InputFigure, ...] = ()


class SinkState(Protocol):
    """One place that audit records are sent to beside the journal."""

    @property
    def name(self) -> str:
        """The label `sink`."""
        ...

    @property
    def lag_seconds(self) -> float:
        """Age of the oldest record that it has not; 0: it has all."""
        ...

    @property
    def lost(self) -> int:
        """Records since the start that it will never get; the journal has them."""
        ...

    @property
    def fault(self) -> str:
        """Why it does not go on, in one line; empty: it does."""
        ...


class AuditState(Protocol):
    """The audit trail at this moment, as `telemetry.audit` tells it."""

    @property
    def enabled(self) -> bool:
        """False: nothing is kept."""
        ...

    @property
    def queued(self) -> int:
        """Entries that are not in the journal yet."""
        ...

    @property
    def oldest_queued_seconds(self) -> float:
        """Age of the oldest of them."""
        ...

    @property
    def written(self) -> Mapping[str, int]:
        """Records written since the start, by kind."""
        ...

    @property
    def lost(self) -> int:
        """Entries since the start that nothing kept."""
        ...

    @property
    def fault(self) -> str:
        """Why the journal is not written now, in one line; empty: all is well."""
        ...

    @property
    def damage(self) -> str:
        """What was wrong with the journal that was found at the start; empty: nothing."""
        ...

    @property
    def sinks(self) -> Sequence[SinkState]:
        """The other places."""
        ...
