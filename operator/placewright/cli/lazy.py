"""A group whose commands are imported when they are called, and that ends every failure as one line and a code."""

import importlib
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import click
from click.shell_completion import CompletionItem

from placewright.cli import exits, streams
from placewright.cli.faults import FaultsError, faults_of
from placewright.core.errors import InvalidRequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a command is defined, and its line in the list of commands."""

    module: str
    attribute: str
    summary: str


class LazyGroup(click.Group):
    """A group that knows its commands by name and summary until one is called."""

    def __init__(self, *args: Any, entries: Mapping[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order of the table."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        found = getattr(importlib.import_module(entry.module), entry.attribute)
        return cast("click.Command", found)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest name for one that does not exist."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=self.entries, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.entries.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names from the table alone."""
        names = [
            CompletionItem(name, help=entry.summary)
            for name, entry in self.entries.items()
            if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


@dataclass(slots=True)
class Invocation:
    """What one run of the command line was told apart from its command."""

    debug: bool = False


def set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001, FBT001 - click's signature
    """Remember --debug wherever it stands."""
    invocation = ctx.find_object(Invocation)
    if value and invocation is not None:
        invocation.debug = True


debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, is_eager=True, callback=set_debug, help="Show tracebacks of errors."
)


class _InterruptedError(Exception):
    """Ctrl-C, hidden from click, which would answer with lines of its own."""


class _ClosedPipeError(Exception):
    """The reader has gone; hidden from click, which would exit with the code of an internal error."""


class RootGroup(LazyGroup):
    """The whole command line: every way to end has its exit code, and errors are one line each on stderr."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the options; --help is printed here."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except BrokenPipeError:
            raise _ClosedPipeError from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _InterruptedError from None
        except BrokenPipeError:
            raise _ClosedPipeError from None

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run a command and exit with its code."""
        invocation = Invocation()
        extra["standalone_mode"] = False
        try:
            result = super().main(args=args, prog_name=prog_name, obj=invocation, **extra)
            sys.stdout.flush()
            code = result if isinstance(result, int) else exits.PLANNED
        except (_ClosedPipeError, BrokenPipeError):
            streams.abandon_stdout()
            code = exits.CLOSED_PIPE
        except (_InterruptedError, click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            code = exits.INTERRUPTED
        except Exception as error:  # noqa: BLE001 - the last resort: whatever happens ends as one line
            if invocation.debug:
                traceback.print_exc()
            code = exits.INTERRUPTED if _was_interrupted(error) else _report(error)
        sys.exit(code)


def _was_interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C caused it: inside an import it may come out as another error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _report(error: Exception) -> int:
    """Say on stderr what went wrong and return the exit code."""
    match error:
        case FaultsError():
            for line in error.lines:
                click.echo(f"error: {line}", err=True)
            return exits.BAD_INPUT
        case click.UsageError():
            click.echo(_usage(error), err=True)
            return exits.BAD_INPUT
        case click.ClickException():
            click.echo(f"error: {_one_line(error.format_message())}", err=True)
            return exits.BAD_INPUT
        case InvalidRequestError():
            for line in faults_of(error):
                click.echo(f"error: {line}", err=True)
            return exits.BAD_INPUT
    if isinstance(error, OSError):  # files that are read have faults of their own, so this is about writing
        click.echo(f"error: {error.filename or 'output'}: {error.strerror or error}", err=True)
        return exits.INTERNAL_ERROR
    told = _one_line(f"{type(error).__name__}: {error}")
    click.echo(f"error: internal error: {told} (--debug shows where)", err=True)
    return exits.INTERNAL_ERROR


def _usage(error: click.UsageError) -> str:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message()  # the help, as it is
    command = error.ctx.command_path if error.ctx is not None else "placewright"
    return f"error: {_one_line(error.format_message().rstrip('.'))} (see '{command} --help')"


def _one_line(text: str) -> str:
    return " ".join(text.split())
