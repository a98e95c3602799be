"""A histogram of lengths becomes a few groups of requests of one length each, without losing a token.

A bucket says how many requests lie between two bounds, the sum says how many tokens all have. The mean length in every
bucket is put at one common share of the way from its lower to its upper bound, such that the sum comes out; what does
not fit below twice the last finite bound is in the bucket without an upper bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise
from math import ceil, floor, fsum, inf, isclose, isfinite

from placewright.core.demand.model import Fault, Histogram
from placewright.core.figures import number

_MOST_BUCKETS = 256
_LEAST_SHARE = 0.01  # a group of its own has this share of the requests or of the tokens
_ALIKE = 0.1  # lengths that spread less than this share of their mean are one length
_CONTRADICTION = 0.1  # how far sum and buckets may differ: they are read at slightly different moments
_LONGEST = 64.0  # most that the bucket without an upper bound is believed to hold on average, in last finite bounds
_FLOAT_NOISE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Requests of one length: `label` is the upper bound of their buckets, which stays while the lengths move."""

    label: str
    share: float  # of all requests, 0..1
    tokens: int


@dataclass(frozen=True, slots=True)
class _Bucket:
    label: str
    count: float
    tokens: float  # of all its requests together


def single(tokens: int) -> tuple[Group, ...]:
    """One group: everything is of this length."""
    return (Group(label=_label(tokens), share=1.0, tokens=tokens),)


def groups_of(
    histogram: Histogram, what: str, most: int, cuts: frozenset[str] | None = None
) -> tuple[Group, ...] | Fault:
    """Group a histogram.

    Args:
        histogram: of lengths.
        what: whose lengths, for faults: "input lengths".
        most: groups at most, where they are chosen anew.
        cuts: labels where groups end, as an earlier grouping had them; None: choose the best.

    Returns:
        Groups by ascending length, none of them empty; no groups: the histogram is sound and holds no requests. Their
        mean length is that of the histogram, or above it by as little as whole tokens allow.
    """
    fault = _fault(histogram)
    buckets = fault or _buckets(histogram)
    if isinstance(buckets, str):
        return Fault(f"{what}: {buckets}")
    filled = [each for each in buckets if each.count > 0.0]
    if not filled:
        return ()
    parts = _best_parts(filled, most) if cuts is None else _parts_at(filled, cuts)
    total = fsum(each.count for each in filled)
    shares = [fsum(each.count for each in part) / total for part in parts]
    means = [fsum(each.tokens for each in part) / fsum(each.count for each in part) for part in parts]
    tokens = whole_tokens(shares, means)
    return tuple(
        Group(label=part[-1].label, share=share, tokens=length)
        for part, share, length in zip(parts, shares, tokens, strict=True)
    )


def whole_tokens(shares: Sequence[float], means: Sequence[float]) -> list[int]:
    """Round lengths up or down, so that their mean by shares is at least what it was and as little more as possible."""
    exact = [float(round(mean)) if isclose(mean, round(mean), rel_tol=_FLOAT_NOISE) else mean for mean in means]
    low = [max(1, floor(mean)) for mean in exact]
    loose = tuple(k for k, mean in enumerate(exact) if mean > low[k])
    missing = fsum(share * (mean - length) for share, mean, length in zip(shares, exact, low, strict=True))
    choices = (chosen for size in range(len(loose) + 1) for chosen in combinations(loose, size))
    enough = (chosen for chosen in choices if fsum(shares[k] for k in chosen) >= missing - _FLOAT_NOISE)
    raised = min(enough, key=lambda chosen: (fsum(shares[k] for k in chosen), chosen), default=loose)
    return [length + (k in raised) for k, length in enumerate(low)]


# --------------------------------------------------------------------------------------------------- what is read


def _fault(histogram: Histogram) -> str:
    """What is wrong with a histogram, in a few words; empty: nothing."""
    bounds, counts = histogram.bounds, histogram.counts
    if len(bounds) != len(counts) or not bounds or bounds[-1] != inf:
        return f"got {len(bounds)} bounds and {len(counts)} counts, wants one count for each, +Inf last"
    if len(bounds) > _MOST_BUCKETS:
        return f"got {len(bounds)} buckets, wants at most {_MOST_BUCKETS}"
    if not all(before < bound for before, bound in pairwise(bounds)) or bounds[0] < 0.0:
        return "got bounds out of order, wants them ascending from 0 upward"
    named = [*((f"le={_bound(bound)}", count) for bound, count in zip(bounds, counts, strict=True))]
    for name, value in (*named, ("its sum", histogram.total_sum)):
        if not isfinite(value) or value < 0.0:
            return f"got {str(value).replace('nan', 'NaN')} for {name}, wants a number from 0 upward"
    for (name, count), before in zip(named[1:], _highest(counts)[:-1], strict=True):
        if count < before * (1.0 - _CONTRADICTION):
            return f"got {number(count)} requests for {name} and {number(before)} below it, wants no fewer"
    return ""


def _highest(counts: Sequence[float]) -> list[float]:
    """The highest count so far: buckets are read one by one, so a later one may be a little behind."""
    result: list[float] = []
    for count in counts:
        result.append(max(count, result[-1]) if result else count)
    return result


def _buckets(histogram: Histogram) -> list[_Bucket] | str:
    """Buckets with their tokens, such that all of them make the sum; a text when they cannot."""
    highest = _highest(histogram.counts)
    counts = [upper - lower for lower, upper in pairwise([0.0, *highest])]
    lows = [0.0, *histogram.bounds[:-1]]
    last = max(lows[-1], 1.0)
    highs = [*histogram.bounds[:-1], 2.0 * last]
    least = fsum(c * low for c, low in zip(counts, lows, strict=True))
    most = fsum(c * high for c, high in zip(counts, highs, strict=True))
    total = histogram.total_sum
    farthest = most + counts[-1] * (_LONGEST - 2.0) * last
    if not least * (1.0 - _CONTRADICTION) <= total <= farthest * (1.0 + _CONTRADICTION):
        return f"got a sum of {number(total)} tokens, wants {number(least)} to {number(farthest)}, as its buckets say"
    way = min(max((total - least) / (most - least), 0.0), 1.0) if most > least else 1.0
    tokens = [c * (low + way * (high - low)) for c, low, high in zip(counts, lows, highs, strict=True)]
    tokens[-1] += min(max(total - most, 0.0), farthest - most)
    made = fsum(tokens)
    scale = total / made if made > 0.0 else 1.0  # what sum and buckets differ by, the sum being right
    labels = [*(_label(bound) for bound in histogram.bounds[:-1]), f"over-{_label(lows[-1])}"]
    merged: dict[str, _Bucket] = {}
    for label, count, amount in zip(labels, counts, tokens, strict=True):  # bounds below one token share a label
        held = merged.get(label, _Bucket(label, 0.0, 0.0))
        merged[label] = _Bucket(label, held.count + count, held.tokens + amount * scale)
    return list(merged.values())


def _label(bound: float) -> str:
    return f"{ceil(bound):04d}"


def _bound(bound: float) -> str:
    return "+Inf" if bound == inf else number(bound, 9)


# -------------------------------------------------------------------------------------------------- what is grouped


def _parts_at(buckets: Sequence[_Bucket], cuts: frozenset[str]) -> list[Sequence[_Bucket]]:
    """Parts that end where earlier ones did; what lies above the last is a part of its own."""
    ends = [k + 1 for k, each in enumerate(buckets) if each.label in cuts]
    if not ends or ends[-1] < len(buckets):
        ends.append(len(buckets))
    return [buckets[start:end] for start, end in pairwise([0, *ends])]


def _best_parts(buckets: Sequence[_Bucket], most: int) -> list[Sequence[_Bucket]]:
    """As few parts as keep lengths of one part alike, at most `most`; then those with the least squared error.

    Natural breaks (Fisher, Jenks), exactly, by dynamic programming. A part has a hundredth of the requests or of the
    tokens, so that a rare length does not come and go as a class of its own.
    """
    count, tokens = fsum(b.count for b in buckets), fsum(b.tokens for b in buckets)
    enough = _ALIKE**2 * tokens * tokens / count  # sum of squared errors at which lengths are alike

    @cache
    def error(start: int, end: int) -> float:
        part = buckets[start:end]
        held, amount = fsum(b.count for b in part), fsum(b.tokens for b in part)
        whole = end - start == len(buckets)
        if not whole and held < _LEAST_SHARE * count and amount < _LEAST_SHARE * tokens:
            return inf
        mean = amount / held
        return fsum(b.count * (b.tokens / b.count - mean) ** 2 for b in part)

    @cache
    def best(end: int, parts: int) -> tuple[float, tuple[int, ...]]:
        if parts == 1:
            return error(0, end), (end,)
        options = [
            (known + error(start, end), (*cuts, end))
            for start in range(parts - 1, end)
            for known, cuts in [best(start, parts - 1)]
        ]
        return min(options, default=(inf, (end,)))

    found = [best(len(buckets), parts) for parts in range(1, min(most, len(buckets)) + 1)]
    _, ends = next((each for each in found if each[0] <= enough), min(found, key=lambda each: each[0]))
    return [buckets[start:end] for start, end in pairwise([0, *ends])]
