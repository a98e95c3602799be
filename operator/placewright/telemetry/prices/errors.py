"""What a source of prices can go wrong with."""

from collections.abc import Sequence
from typing import Final

from placewright.core.errors import PlacewrightError

_TOLD_LINES: Final = 3


class PriceSourceError(PlacewrightError):
    """A source gave no prices that can be used; those before stay in force.

    Attributes:
        lines: one for each fault: place, what it got, what it wants.
        broken: whether the source is there and somebody must mend it; False: it may be out of reach for a while.
    """

    def __init__(self, *lines: str, broken: bool = True) -> None:
        self.lines = lines
        self.broken = broken
        more = f" (and {len(lines) - _TOLD_LINES} more)" if len(lines) > _TOLD_LINES else ""
        super().__init__("; ".join(lines[:_TOLD_LINES]) + more)


def wrong(place: str, *, got: str, wants: str) -> str:
    """Return one fault as a line."""
    return f"{place}: got {got}, wants {wants}"


def wants_one_of(names: Sequence[str]) -> str:
    """Write a choice."""
    return f"one of {', '.join(names)}"
