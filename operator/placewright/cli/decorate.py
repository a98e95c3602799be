"""Options that commands share."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Any], Any]


def with_options(command: Command, options: Sequence[Option]) -> Command:
    """Give a command these options; --help shows them in this order."""
    for option in reversed(options):
        command = option(command)
    return command
