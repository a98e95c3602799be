"""Limits on what a change may cost, and the exit code of a comparison."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import click

from placewright.cli import exits, text
from placewright.cli.comparison import Comparison, State

_SLACK = 1e-9  # USD per hour: sums in another order differ by less


class AtLeastZero(click.ParamType[float]):
    """A finite number of at least 0."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number."""
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not (isfinite(number) and number >= 0):
            self.fail(f"got {value!r}, wants a number of at least 0", param, ctx)
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One limit held against a comparison.

    Attributes:
        name: of the option.
        limit: what is allowed, in percent or USD per hour.
        actual: what it is; None: the increase is from nothing, which no percentage expresses.
        told: both in words.
        exceeded: whether it is too much.
    """

    name: str
    limit: float
    actual: float | None
    told: str
    exceeded: bool

    def __str__(self) -> str:
        return f"{self.told}: {'EXCEEDED' if self.exceeded else 'kept'}"


def verdicts(compared: Comparison, *, percent: float | None, per_hour: float | None) -> list[Verdict]:
    """Hold the limits that are given against a comparison."""
    found = []
    rise = compared.cost_change_per_hour
    if percent is not None:
        actual = compared.cost_change_percent
        if actual is None and abs(rise) <= _SLACK:
            actual = 0.0
        told = "from nothing" if actual is None else f"by {text.percent(actual)}"
        found.append(
            Verdict(
                name="--max-increase-percent",
                limit=percent,
                actual=actual,
                told=f"costs rise {told}, at most {text.percent(percent)} is allowed",
                exceeded=rise > compared.old_cost_per_hour * percent / 100.0 + _SLACK,
            )
        )
    if per_hour is not None:
        found.append(
            Verdict(
                name="--max-increase-per-hour",
                limit=per_hour,
                actual=rise,
                told=f"costs rise by {text.per_hour(rise)}, at most {text.per_hour(per_hour)} is allowed",
                exceeded=rise > per_hour + _SLACK,
            )
        )
    return found


def exit_code(compared: Comparison, held: Iterable[Verdict]) -> int:
    """The code that speaks for a comparison: what is newly without a plan, and limits that are exceeded."""
    codes = [
        exits.GATE_BLOCKS if change.new is not None and change.new.state is State.BLOCKED else exits.INFEASIBLE
        for change in compared.changes
        if change.is_worse_off
    ]
    codes += [exits.GATE_BLOCKS for each in held if each.exceeded]
    return exits.worst(codes)
