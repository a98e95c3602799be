"""Hypothesis strategies: tiny fleets, as numbers and as snapshots, with ties, shortage and odd groups."""

from dataclasses import dataclass, replace
from math import inf

from hypothesis import strategies as st

from placewright.core.fleet.problem import Ask, Offer
from tests.support.fleet_oracle import answers

COSTS = (0.5, 1.0, 1.0, 1.2, 2.0, 2.5, 3.7, 4.0, 8.0)
RATES = (0.7, 1.0, 1.0, 2.0, 2.5, 3.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """A problem as it is written down."""

    asks: tuple[Ask, ...]
    capacity: tuple[float, ...]


@st.composite
def offers(draw: st.DrawFn, classes: int, rows: int) -> Offer:
    """One or two rows of GPUs, sometimes a row of dollars; an offer may be of no use to some classes."""
    used = draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=2, unique=True))
    rates = [draw(st.sampled_from((0.0, *RATES) if classes > 1 else RATES)) for _ in range(classes)]
    if not any(rates):
        rates[0] = 1.0
    cost = draw(st.sampled_from(COSTS))
    return Offer(
        cost_per_hour=cost,
        rates=tuple(rates),
        uses=tuple((row, float(draw(st.sampled_from((1, 1, 2, 4, 8))))) for row in sorted(used)),
        copies=draw(st.sampled_from((1, 1, 1, 2, 3))),
        value=draw(st.sampled_from((None, None, cost * 0.9, cost * 3))),
    )


@st.composite
def asks(draw: st.DrawFn, key: str, rows: int, *, most_classes: int) -> Ask:
    """One ask; its present plan is one of its own answers, so that it serves the demand."""
    classes = draw(st.sampled_from((1, 1, most_classes)))
    least = draw(st.sampled_from((0, 0, 0, 1, 2, 3)))
    plain = Ask(
        key=key,
        demands=tuple(draw(st.sampled_from((0.5, 1.0, 2.0, 3.0, 4.5, 6.0))) for _ in range(classes)),
        offers=tuple(draw(st.lists(offers(classes, rows), min_size=1, max_size=4))),
        min_copies=least,
        max_copies=draw(st.sampled_from((None, None, max(1, least), least + 3))),
        max_cost_per_hour=draw(st.sampled_from((inf, inf, 4.0, 9.0))),
        refusal_value=draw(st.sampled_from((30.0, 75.0, 120.0, 200.0))),
        priority=draw(st.sampled_from((0, 0, 0, 1, 7))),
    )
    if draw(st.integers(0, 3)):
        return plain
    any_cost = answers(replace(plain, max_cost_per_hour=inf), rows)[1:]
    if not any_cost:
        return plain
    counts = draw(st.sampled_from(any_cost)).counts or ()
    standing = tuple((at, count) for at, count in enumerate(counts) if count)
    return replace(plain, standing=standing, standing_only=draw(st.booleans()))


@st.composite
def numbers(draw: st.DrawFn, *, most_asks: int = 4, most_classes: int = 2) -> Numbers:
    """One to four asks on one to three rows, mostly short."""
    rows = draw(st.integers(1, 3))
    names = draw(st.permutations("abcd"[: draw(st.integers(1, most_asks))]))
    return Numbers(
        asks=tuple(draw(asks(name, rows, most_classes=most_classes)) for name in names),
        capacity=tuple(float(draw(st.sampled_from((0, 2, 4, 8, 12, 40)))) for _ in range(rows)),
    )
