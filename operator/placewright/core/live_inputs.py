"""What of a live figure may be used: anything doubtful is unknown, never zero."""

from math import isfinite

from placewright.core.model import Reading

_FUTURE_SECONDS = 60.0  # clocks of two machines differ; more than this is a wrong answer


def usable(reading: Reading, max_age_seconds: float) -> tuple[float | None, str]:
    """Return the figure, or None and why not in a few words.

    Args:
        reading: as it was read; every figure that gates look at (revenue, tokens, demand) is at least 0.
        max_age_seconds: an older one is stale.
    """
    fault = _value_fault(reading) or _age_fault(reading.age_seconds, max_age_seconds)
    return (None, fault) if fault else (reading.value, "")


def _value_fault(reading: Reading) -> str:
    value = reading.value
    if value is None:
        return f"missing: {reading.fault}" if reading.fault else "missing"
    if not isfinite(value):
        return f"no finite number: {value}"
    return f"negative: {value:.6g}" if value < 0.0 else ""


def _age_fault(age: float | None, max_age_seconds: float) -> str:
    if age is None or not isfinite(age):
        return "stale: its age is not known"
    if age > max_age_seconds:
        return f"stale: {_span(age)} old, wants at most {_span(max_age_seconds)}"
    return f"from the future: {_span(-age)} ahead" if age < -_FUTURE_SECONDS else ""


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120.0 else f"{seconds / 60.0:.0f} min"
