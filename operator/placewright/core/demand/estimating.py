"""From a sample of live traffic to traffic classes, and from one set of classes to the next."""

import re
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Context
from math import fsum, isqrt

from placewright.core.demand.lengths import Group, groups_of, single
from placewright.core.demand.mix import Cell, joined
from placewright.core.demand.model import DemandRules, DemandSample, Fault, Histogram
from placewright.core.demand.rates import requests_per_second
from placewright.core.model import TrafficClass

Classes = tuple[TrafficClass, ...]
Sizes = tuple[int, int]

_NAME = re.compile(r"in-((?:over-)?\d+)-out-((?:over-)?\d+)")
_ROUNDING_DIGITS = 3
_MOST_GROUPS = 8  # a side


def estimate(
    sample: DemandSample, rules: DemandRules, sizes: Sizes | None = None, *, previous: Classes | None = None
) -> Classes | Fault:
    """Estimate the demand.

    Args:
        sample: what was measured.
        rules: how it counts.
        sizes: input and output tokens of a request, for lengths that nobody measures.
        previous: classes in force; where the histograms are sound but empty, nobody having asked anything, their mix
            stays.

    Returns:
        Classes by name. Their requests are those of the statistic; their input and output tokens are what the
        histograms say, or more by as little as whole tokens allow. Or the fault, in one line.
    """
    return _estimate(sample, rules, sizes, previous, as_before=False)


def in_force(previous: Classes | None, estimated: Classes, rules: DemandRules) -> Classes:
    """Return `previous` itself while the estimate lies within its band, otherwise the estimate in round figures.

    The band: requests/s, input tokens/s and output tokens/s each within hysteresis_percent of the previous figure, and
    each class's share of the requests within as many points. It is as wide downward as upward. Rates are rounded up to
    three digits, so that equal traffic gives equal classes.
    """
    taken = _rounded(estimated)
    if previous and (taken == previous or _within(previous, estimated, rules)):
        return previous
    return taken


def update(
    previous: Classes | None, sample: DemandSample, rules: DemandRules, sizes: Sizes | None = None
) -> Classes | Fault:
    """Return the demand in force after a new sample: `previous` itself while the traffic is about the same.

    The sample is held against `previous` in the same groups of lengths; groups are chosen anew only when it has left
    the band. So two groupings that are about as good never take turns.
    """
    if previous:
        alike = _estimate(sample, rules, sizes, previous, as_before=True)
        if isinstance(alike, Fault):
            return alike
        if _within(previous, alike, rules):
            return previous
    fresh = _estimate(sample, rules, sizes, previous, as_before=False)
    if isinstance(fresh, Fault):
        return fresh
    taken = _rounded(fresh)
    return previous if previous is not None and taken == previous else taken


# ------------------------------------------------------------------------------------------------------- one sample


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How lengths are grouped: at most so many groups a side, or where the groups of earlier classes end."""

    inputs: int = 1
    outputs: int = 1
    input_cuts: frozenset[str] | None = None
    output_cuts: frozenset[str] | None = None


def _estimate(
    sample: DemandSample, rules: DemandRules, sizes: Sizes | None, previous: Classes | None, *, as_before: bool
) -> Classes | Fault:
    rate = requests_per_second(sample, rules)
    if isinstance(rate, Fault):
        return rate
    longest = 0, 0
    for way in (*(_ways_before(previous) if as_before else ()), *_ways(rules.max_classes)):
        inputs = _side(sample.input, "input", way.inputs, way.input_cuts, sizes and sizes[0])
        outputs = _side(sample.output, "output", way.outputs, way.output_cuts, sizes and sizes[1])
        if isinstance(inputs, Fault):
            return inputs
        if isinstance(outputs, Fault):
            return outputs
        if not inputs or not outputs:
            return _unasked(rate, rules, sizes, previous)
        cells = joined(inputs, outputs, rules.max_tokens)
        if cells is not None:
            return _classes(cells, rate)
        longest = inputs[-1].tokens, outputs[-1].tokens
    got = f"{longest[0]} input and {longest[1]} output tokens on average"  # the last way has one group a side
    return Fault(f"lengths: got {got}, wants at most the {rules.max_tokens} that the model takes")


def _ways(max_classes: int) -> tuple[_Way, ...]:
    """The finest grouping first; coarser ones where long inputs and long outputs together are too long."""
    outputs = min(max(isqrt(max_classes), 1), _MOST_GROUPS)
    inputs = min(max(max_classes // outputs, 1), _MOST_GROUPS)
    return tuple(_Way(inputs=max(inputs - k, 1), outputs=max(outputs - k, 1)) for k in range(inputs))


def _ways_before(previous: Classes | None) -> tuple[_Way, ...]:
    """The grouping that the names of earlier classes tell; nothing when somebody else has named them."""
    names = [_NAME.fullmatch(each.name) for each in previous or ()]
    found = [name for name in names if name is not None]
    if not found or len(found) < len(names):
        return ()
    return (
        _Way(
            input_cuts=frozenset(name[1] for name in found),
            output_cuts=frozenset(name[2] for name in found),
        ),
    )


def _side(
    histogram: Histogram | None, side: str, most: int, cuts: frozenset[str] | None, size: int | None
) -> tuple[Group, ...] | Fault:
    if histogram is not None:
        return groups_of(histogram, f"{side} lengths", most, cuts)
    if size is None:
        return Fault(f"{side} lengths: nobody measures them, wants {side}Tokens in the workload")
    return single(size)


def _unasked(rate: float, rules: DemandRules, sizes: Sizes | None, previous: Classes | None) -> Classes | Fault:
    """A histogram without requests says nothing about lengths: the last mix stays, or the sizes that are given."""
    if previous and all(_fits(each, rules) for each in previous):
        before = fsum(each.requests_per_second for each in previous)
        return tuple(replace(each, requests_per_second=rate * (each.requests_per_second / before)) for each in previous)
    if sizes is None:
        return Fault("lengths: no request has been measured yet, wants one, or inputTokens and outputTokens")
    cells = joined(single(sizes[0]), single(sizes[1]), rules.max_tokens)
    if cells is None:
        return Fault(f"lengths: got {sizes[0]} + {sizes[1]} tokens, wants at most the {rules.max_tokens} of the model")
    return _classes(cells, rate)


def _classes(cells: tuple[Cell, ...], rate: float) -> Classes:
    made = (
        TrafficClass(
            name=f"in-{cell.input.label}-out-{cell.output.label}",
            input_tokens=cell.input.tokens,
            output_tokens=cell.output.tokens,
            requests_per_second=rate * cell.share,
        )
        for cell in cells
    )
    return tuple(sorted(made, key=lambda each: each.name))


# -------------------------------------------------------------------------------------------------------- two samples


def _within(previous: Classes, estimated: Classes, rules: DemandRules) -> bool:
    """Whether an estimate is about the same as what is in force. Input and output tokens cost differently."""
    band = rules.hysteresis_percent / 100.0
    pairs = zip(_totals(previous), _totals(estimated), strict=True)
    if any(abs(now - before) > band * before for before, now in pairs):
        return False
    before, now = _shares(previous), _shares(estimated)
    moved = max(abs(before.get(name, 0.0) - now.get(name, 0.0)) for name in before.keys() | now.keys())
    return moved <= band and all(_fits(each, rules) for each in previous)


def _totals(classes: Classes) -> tuple[float, float, float]:
    """Requests, input tokens and output tokens per second."""
    return (
        fsum(each.requests_per_second for each in classes),
        fsum(each.requests_per_second * each.input_tokens for each in classes),
        fsum(each.requests_per_second * each.output_tokens for each in classes),
    )


def _shares(classes: Classes) -> dict[str, float]:
    whole = fsum(each.requests_per_second for each in classes)
    return {each.name: each.requests_per_second / whole for each in classes}


def _fits(each: TrafficClass, rules: DemandRules) -> bool:
    return rules.max_tokens is None or each.input_tokens + each.output_tokens <= rules.max_tokens


def _rounded(classes: Classes) -> Classes:
    return tuple(replace(each, requests_per_second=_up(each.requests_per_second)) for each in classes)


def _up(rate: float) -> float:
    """At least the rate, in three digits; what binary fractions add in the tenth digit is no traffic."""
    exact = Context(prec=9).create_decimal(repr(rate))
    return float(Context(prec=_ROUNDING_DIGITS, rounding=ROUND_CEILING).create_decimal(exact))
