"""What else would save money while a model idles: texts with an estimate, never acts."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from placewright.core.figures import number, per_hour
from placewright.core.model import PowerUse


class SuggestedAction(StrEnum):
    """What is suggested."""

    DOWNSIZE = "Downsize"  # a cheaper layout of the frontier
    LIMIT_GPU_POWER = "LimitGpuPower"


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
    *,
    cost_per_hour: float,
    frontier: Iterable[Offer],
    needed_tokens_per_second: float = 0.0,
    power: PowerUse | None = None,
    usd_per_kwh: float | None = None,
) -> tuple[Suggestion, ...]:
    """Return what would save money, most first.

    Args:
        cost_per_hour: USD per hour of the whole plan as it stands.
        frontier: layouts that no other beats in both cost and speed; the cheapest that would still serve is suggested.
        needed_tokens_per_second: what must be served still; 0: nothing is asked, and any layout serves.
        power: what its GPUs drew above a limit; None: not known.
        usd_per_kwh: price of electricity; None: a limit of the GPUs' power is not suggested.
    """
    found = (_downsize(cost_per_hour, frontier, needed_tokens_per_second), _limit(power, usd_per_kwh))
    return tuple(sorted((each for each in found if each is not None), key=lambda each: -each.saves_per_hour))


def _downsize(cost_per_hour: float, frontier: Iterable[Offer], needed_tokens_per_second: float) -> Suggestion | None:
    able = [
        each
        for each in frontier
        if isfinite(each.cost_per_hour)
        and each.cost_per_hour >= 0.0
        and each.tokens_per_second > 0.0
        and each.tokens_per_second >= needed_tokens_per_second
    ]
    if not able or not isfinite(cost_per_hour):
        return None
    best = min(able, key=lambda each: (each.cost_per_hour, -each.tokens_per_second, each.summary))
    saves = cost_per_hour - best.cost_per_hour
    if saves <= 0.0:
        return None
    message = (
        f"one replica of {best.summary} costs {per_hour(best.cost_per_hour)} instead of {per_hour(cost_per_hour)}"
        f" and serves up to {number(best.tokens_per_second)} tokens/s"
    )
    return Suggestion(action=SuggestedAction.DOWNSIZE, saves_per_hour=saves, message=message)


def _limit(power: PowerUse | None, usd_per_kwh: float | None) -> Suggestion | None:
    """The most that a limit could save: what was drawn above it. Work that it slows down draws for longer."""
    if power is None or usd_per_kwh is None or not power.watts_above * usd_per_kwh > 0.0:
        return None
    saves = power.watts_above / 1000.0 * usd_per_kwh
    if not isfinite(saves):
        return None
    message = (
        f"its GPUs ({power.gpus}) limited to {number(power.limit_watts)} W each would save at most {per_hour(saves)} of"
        " electricity; prompts get slower"
    )
    return Suggestion(action=SuggestedAction.LIMIT_GPU_POWER, saves_per_hour=saves, message=message)
