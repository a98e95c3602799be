"""docs/cli.md, written from the commands themselves."""

from collections.abc import Iterator
from pathlib import Path

import click

from placewright.cli.root import cli

PATH = "docs/cli.md"
_WIDTH = 88

_INTRODUCTION = """\
# Command line

<!-- Generated from the commands' own help; `make docs` writes it again. -->

`placewright` makes the operator's decisions offline; installed beside `kubectl` it is also `kubectl placewright`.

## Input

- `-f` takes files, folders (their `*.yaml`, `*.yml` and `*.json`, not those of folders inside) and `-` for standard
  input. Several documents and lists are fine; other kinds are skipped with a note, so a GitOps folder can be given as
  it is. Two requests with one namespace and name are a fault.
- `--pools FILE` is a list of pools, written as in `spec.pools`, bare or under the key `pools`. Requests without pools
  of their own get them; requests with pools keep theirs. Each request is planned by itself and may use all of a pool.
- `--config-dir` takes a folder in the [CSV format](config-dir.md). The plan has the folder's name, its pools the GPU
  types.
- `--method`, `--cost-weight`, `--min-throughput`, `--target-cost`, `--budgets` and `--time-limit` win over what the
  files say. The plan is then that of the changed request, and its `inputs.hash` differs from the operator's.
- A suspended request is not planned: its last plan is shown, as the operator keeps it.

All input is checked before anything is planned. Each fault is one line on standard error with file, line, field, what
stands there and what may stand there.

## Output

Standard output holds the result alone; notes, faults and progress go to standard error. On a terminal there are colours
and lines, which `NO_COLOR` and `TERM=dumb` switch off; in a pipe the text is plain, and wrapped only where `COLUMNS`
says so. A solve of more than a second shows its best price, bound and gap while it runs. Money is US dollars per hour
and per million tokens.

`plan -o json` prints a `PlacementPlanList` with each status as the operator would write it, `pareto -o json` a
`PlacementFrontierList` with the whole frontier, while a status holds at most 50 points of it. Pictures need
`pip install 'placewright[plot]'`, `profile fit` needs `pip install 'placewright[fit]'`.

## Exit codes

| code | meaning |
|---|---|
| 0 | planned (or: what was asked for is done) |
| 1 | internal error; `--debug` shows where |
| 2 | bad input |
| 3 | a gate blocks the plan |
| 4 | infeasible, or nothing was found within the time limit |
| 130 | ended by Ctrl-C; files that were to be written are untouched |
| 141 | the reader of a pipe has gone |

Of several requests the worst counts, in the order 1, 2, 4, 3, 0.

## Compiled code

The solver's inner loops are compiled on first use (a few seconds, once) and kept beside the source. Where that folder
is read-only they are kept in `$XDG_CACHE_HOME/placewright/numba` (`~/.cache`), and without a home in a private folder
for temporary files; `NUMBA_CACHE_DIR` names another one.

## Commands
"""


def render(_root: Path) -> dict[str, str]:
    """Return the text of docs/cli.md by its path."""
    sections = [f"\n### {path}\n\n```text\n{text}\n```\n" for path, text in _helps(cli, None, "placewright")]
    return {PATH: _INTRODUCTION + "".join(sections)}


def _helps(command: click.Command, parent: click.Context | None, name: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the help of a command and of all below it."""
    context = click.Context(
        command, parent=parent, info_name=name, terminal_width=_WIDTH, help_option_names=["-h", "--help"]
    )
    yield context.command_path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None, f"{below} is listed but not there"
            yield from _helps(found, context, below)
