"""What else would save money while a model idles: texts with an estimate, never acts."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from placewright.core.figures import number, per_hour


class SuggestedAction(StrEnum):
    """What is suggested."""

    DOWNSIZE = "Downsize"  # a cheaper layout of the frontier


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One layout of the frontier.

    Attributes:
        cost_per_hour: USD per hour of one replica.
        tokens_per_second: that it serves at most.
        summary: what it is, in a few words.
    """

    cost_per_hour: float
    tokens_per_second: float
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One suggestion.

    Attributes:
        action: what is suggested.
        saves_per_hour: USD per hour, estimated at the prices that the plan was made with.
        message: one line.
    """

    action: SuggestedAction
    saves_per_hour: float
    message: str


def suggest(
    *, cost_per_hour: float, frontier: Iterable[Offer], needed_tokens_per_second: float = 0.0
) -> tuple[Suggestion, ...]:
    """Return what would save money, most first: the cheapest layout of the frontier that would still serve.

    Args:
        cost_per_hour: USD per hour of the whole plan as it stands.
        frontier: layouts that no other beats in both cost and speed.
        needed_tokens_per_second: what must be served still; 0: nothing is asked, and any layout serves.
    """
    able = [
        each
        for each in frontier
        if isfinite(each.cost_per_hour)
        and each.cost_per_hour >= 0.0
        and each.tokens_per_second > 0.0
        and each.tokens_per_second >= needed_tokens_per_second
    ]
    if not able or not isfinite(cost_per_hour):
        return ()
    best = min(able, key=lambda each: (each.cost_per_hour, -each.tokens_per_second, each.summary))
    saves = cost_per_hour - best.cost_per_hour
    if saves <= 0.0:
        return ()
    message = (
        f"one replica of {best.summary} costs {per_hour(best.cost_per_hour)} instead of {per_hour(cost_per_hour)}"
        f" and serves up to {number(best.tokens_per_second)} tokens/s"
    )
    return (Suggestion(action=SuggestedAction.DOWNSIZE, saves_per_hour=saves, message=message),)
