"""`placewright completion`."""

import click

from placewright.cli.lazy import debug_option

_COMPLETE_VARIABLE = "_PLACEWRIGHT_COMPLETE"


# \b keeps click from wrapping what follows.
_HELP = """Print the completion script of SHELL.

\b
bash:  echo 'source <(placewright completion bash)' >> ~/.bashrc
zsh:   echo 'source <(placewright completion zsh)' >> ~/.zshrc
fish:  placewright completion fish \\
           > ~/.config/fish/completions/placewright.fish
"""


@click.command(short_help="Print the shell's completion script.", help=_HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@debug_option
@click.pass_context
def completion(ctx: click.Context, /, shell: str) -> None:
    """Print the completion script."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - needed by this command alone

    found = get_completion_class(shell)
    assert found is not None, "click knows every shell of the choice"
    root = ctx.find_root().command
    click.echo(found(root, {}, "placewright", _COMPLETE_VARIABLE).source())
