"""Groups of input and of output lengths become joint classes.

Two histograms do not say which inputs go with which outputs. They are taken as independent; only where that would make
a request longer than the model takes, which nobody can have sent, long inputs go with shorter outputs instead. Either
way every group keeps its share, so that no token is lost.
"""

from dataclasses import dataclass
from math import fsum

from placewright.core.demand.lengths import Group

_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Cell:
    """Requests of one input group and one output group."""

    input: Group
    output: Group
    share: float


def joined(inputs: tuple[Group, ...], outputs: tuple[Group, ...], max_tokens: int | None) -> tuple[Cell, ...] | None:
    """Return the joint classes with their shares; None: not without requests that are too long."""
    shares = {(i, j): inputs[i].share * outputs[j].share for i in range(len(inputs)) for j in range(len(outputs))}

    def fits(i: int, j: int) -> bool:
        return max_tokens is None or inputs[i].tokens + outputs[j].tokens <= max_tokens

    # A share d of (i, j) and of (a, b) becomes d of (i, b) and of (a, j): all four groups keep theirs.
    for i, j in sorted((cell for cell in shares if not fits(*cell)), reverse=True):
        for a, b in sorted(cell for cell in shares if cell[0] < i and cell[1] < j):
            moved = min(shares[i, j], shares[a, b]) if fits(i, b) and fits(a, j) else 0.0
            for cell, change in (((i, j), -moved), ((a, b), -moved), ((i, b), moved), ((a, j), moved)):
                shares[cell] += change
    if any(share > _NOTHING for (i, j), share in shares.items() if not fits(i, j)):
        return None
    held = {cell: share for cell, share in shares.items() if share > _NOTHING}
    whole = fsum(held.values())
    return tuple(Cell(inputs[i], outputs[j], share / whole) for (i, j), share in sorted(held.items()))
