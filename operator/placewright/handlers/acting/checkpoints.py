"""Moments of a cycle by name: a test kills the process at one of them to see that nothing is lost."""

from collections.abc import Callable
from enum import StrEnum


class Checkpoint(StrEnum):
    """A moment; each is passed again and again."""

    DECIDED = "decided"  # a step has actions, and nothing of it is done
    CHECKED = "checked"  # the newest request still wants them
    BEFORE_SCALE = "before-scale"
    AFTER_SCALE = "after-scale"
    BEFORE_WEIGH = "before-weigh"
    AFTER_WEIGH = "after-weigh"
    BEFORE_REMOVE = "before-remove"
    AFTER_REMOVE = "after-remove"
    BEFORE_REAP = "before-reap"
    AFTER_REAP = "after-reap"
    BEFORE_WAKE = "before-wake"
    AFTER_WAKE = "after-wake"
    BEFORE_REPORT = "before-report"
    AFTER_REPORT = "after-report"


Pass = Callable[[Checkpoint], None]
"""Told of each moment as it comes."""


def passed(checkpoint: Checkpoint) -> None:
    """Nobody waits for any."""
    del checkpoint
