"""What a checker of one performance model hands back."""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Figures:
    """Recomputed figures of one layout.

    Attributes:
        tokens_per_second: in the request's token basis; None: cannot be worked out, a violation says why.
        ttft_seconds: None: the model has no such figure.
        tpot_seconds: None: the model has no such figure.
        violations: one line each.
    """

    tokens_per_second: float | None = None
    ttft_seconds: float | None = None
    tpot_seconds: float | None = None
    violations: list[str] = field(default_factory=list)
