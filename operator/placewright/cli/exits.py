"""Exit codes, the same for every command."""

from collections.abc import Iterable
from typing import Final

PLANNED: Final = 0
INTERNAL_ERROR: Final = 1
BAD_INPUT: Final = 2
GATE_BLOCKS: Final = 3
INFEASIBLE: Final = 4
NOT_INTACT: Final = 5  # an audit journal is not as it was written
NOT_YET: Final = 6  # asked for, and not done within the time that was given
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
CLOSED_PIPE: Final = 141  # 128 + SIGPIPE

_WORST_FIRST: Final = (INTERNAL_ERROR, BAD_INPUT, INFEASIBLE, GATE_BLOCKS, PLANNED)

HELP: Final = (
    "Exit codes: 0 planned, 1 internal error, 2 bad input, 3 a gate blocks, 4 infeasible; of several requests the"
    " worst counts, in the order 1, 2, 4, 3, 0."
)


def worst(codes: Iterable[int]) -> int:
    """Return the code that speaks for several requests; PLANNED for none."""
    return min(codes, key=_WORST_FIRST.index, default=PLANNED)
