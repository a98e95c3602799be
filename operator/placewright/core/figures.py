"""Numbers for human eyes: short, without exponents, and rounded so that a limit stays feasible."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from math import ceil

_SHOWN_DIGITS = 4


def number(value: float, digits: int = _SHOWN_DIGITS) -> str:
    """A number with so many significant digits, without exponent and trailing zeros: `0.103563`, `2.5`, `12000`."""
    text = format(Context(prec=digits).create_decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def per_million(value: float) -> str:
    """A price per token: `$2.91/M`."""
    return f"${number(value)}/M"


def per_hour(value: float) -> str:
    """A cost per hour: `$9.6/h`."""
    return f"${number(value)}/h"


def share(value: float) -> str:
    """A cost as a share of the revenue: `0.31 of the revenue`."""
    return f"{number(value)} of the revenue"


def percent(value: float) -> str:
    """A difference in percent with three digits; what rounds to nothing says so."""
    return "less than 0.01 %" if 0.0 < abs(value) < 0.01 else f"{number(value, 3)} %"


def duration(seconds: float) -> str:
    """A duration as it stands in a resource: `2.4s`, `50ms`."""
    return f"{number(seconds, 6)}s" if seconds >= 1.0 else f"{number(seconds * 1000.0, 6)}ms"


def span(seconds: float) -> str:
    """Whole seconds, rounded up, in parts: `1h5m`, 90 s as `1m30s`."""
    total = max(0, ceil(seconds - 1e-6))
    parts = ((total // 3600, "h"), (total % 3600 // 60, "m"), (total % 60, "s"))
    return "".join(f"{amount}{unit}" for amount, unit in parts if amount) or "0s"


def rounded_up(value: float, *, above: float) -> float:
    """The shortest decimal at or above a value, with 3 to 6 digits; rounding adds at most a tenth of the rise.

    Args:
        value: what is needed at least.
        above: the present limit, which does not suffice.
    """
    return _shortest(value, abs(value - above), ROUND_CEILING)


def rounded_down(value: float, *, below: float) -> float:
    """The shortest decimal at or below a value, with 3 to 6 digits; rounding takes at most a tenth of the fall."""
    return _shortest(value, abs(below - value), ROUND_FLOOR)


def _shortest(value: float, change: float, rounding: str) -> float:
    exact = Decimal(repr(value))
    result = value
    for digits in (3, 4, 5, 6):
        result = float(Context(prec=digits, rounding=rounding).create_decimal(exact))
        if abs(result - value) <= 0.1 * change:
            return result
    return result
