"""How two figures are compared and shown."""

from math import isclose, isinf

RELATIVE_TOLERANCE = 1e-9
"""Money, rates and times of a plan must agree with the recomputed ones to this."""


def same(got: float, want: float) -> bool:
    """Whether two figures agree; NaN agrees with nothing."""
    return got == want or (not isinf(got) and isclose(got, want, rel_tol=RELATIVE_TOLERANCE))


def exceeds(value: float, limit: float) -> bool:
    """Whether a value is above its limit by more than rounding; NaN is."""
    return not (value <= limit or same(value, limit))


def below(value: float, limit: float) -> bool:
    """Whether a value is under its limit by more than rounding; NaN is."""
    return not (value >= limit or same(value, limit))


def text(value: float) -> str:
    """A figure with enough digits to see a difference of the tolerance."""
    return f"{value:.12g}"


def differs(what: str, got: float | None, want: float | None) -> tuple[str, ...]:
    """One line when a figure of the plan is not the recomputed one; None means there is no such figure."""
    if got is None and want is None:
        return ()
    if got is not None and want is not None and same(got, want):
        return ()
    shown = ("none" if value is None else text(value) for value in (got, want))
    return ("{} is {}, recomputed {}".format(what, *shown),)
