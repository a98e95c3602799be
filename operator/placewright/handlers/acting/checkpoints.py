"""Moments of a cycle by name: a test kills the process at one of them to see that nothing is lost."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from placewright.kube import act


class Checkpoint(StrEnum):
    """A moment besides those of `kube.act`, each of which is passed again and again."""

    DECIDED = "decided"  # a step has actions, and nothing of it is done or told
    BEFORE_REPORT = "before-report"
    AFTER_REPORT = "after-report"
    BEFORE_REAP = "before-reap"  # fresh figures say so, and it was told
    AFTER_REAP = "after-reap"
    BEFORE_WAKE = "before-wake"
    AFTER_WAKE = "after-wake"


NAMES: Final = (*act.CHECKPOINTS, *map(str, Checkpoint))
"""All of them."""

Pass = Callable[[str], None]
"""Told of each moment as it comes."""


def passed(checkpoint: str) -> None:
    """Nobody waits for any."""
    del checkpoint
