"""Options that commands share."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Any], Any]


def with_options(command: Command, options: Sequence[Option]) -> Command:
    """Give a command these options; --help shows them in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def form_option(*forms: str, about: str = "Form of the output.") -> Option:
    """The option -o: in which form a command prints its result; the first one unless asked otherwise.

    Args:
        forms: names of the forms.
        about: what --help says of it.
    """
    return click.option(
        "-o", "--format", "form", type=click.Choice(forms), default=forms[0], show_default=True, help=about
    )
