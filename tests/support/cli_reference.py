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

- `-f` takes files, folders at any depth (their `*.yaml`, `*.yml` and `*.json`; no hidden folders, no links to folders)
  and `-` for standard input. PlacementRequests, GPUPools, PlacementPolicies, PerformanceProfiles, Nodes and Pods are
  read, several documents and lists too, as `kubectl get nodes,pods -A -o yaml` prints them. Other kinds are skipped
  with a note, so a GitOps folder can be given as it is. Two objects of one kind, namespace and name are a fault.
- `--pools FILE` adds pools, policies, profiles, Nodes and Pods from files that belong to no change. A list of pools,
  written as in `spec.pools`, bare or under the key `pools`, is for requests without pools and without a poolSelector;
  each of them may use all of it.
- `--from-cluster` reads the cluster once, with your own credentials, and never writes. Files of `-f` are laid over what
  was read: an object of the same kind, namespace and name replaces the cluster's.
- `--config-dir` takes a folder in the [CSV format](config-dir.md). The plan has the folder's name, its pools the GPU
  types.
- `--method`, `--cost-weight`, `--min-throughput`, `--target-cost`, `--budgets` and `--time-limit` win over what the
  files say. The plan is then that of the changed request, and its `inputs.hash` differs from the operator's.
- A suspended request is not planned: its last plan is shown, as the operator keeps it.

All input is checked before anything is planned. Each fault is one line on standard error with file, line, field, what
stands there and what may stand there. A pool that cannot be used, or not all of it, is no fault: a note says why, and
so does a request that has no other.

## Fleets

Requests with a `poolSelector`, a demand or `replicas`, and all requests under a ceiling of a PlacementPolicy, are
planned together, as [fleet.md](fleet.md) says: the same plans as in the cluster. Below the table stand what is proved,
the pools, what one more node of each is worth, and who was refused and what would help. `explain` says for each request
who else is on its pools and where it would rather be.

| question | command |
|---|---|
| what is planned, with plans of the files' statuses kept | `plan -f DIR --keep-present` |
| what would be decided in the cluster now, against what it has | `plan --from-cluster` |
| the same after a change that is not applied yet | `plan --from-cluster -f CHANGED` |
| with two nodes more, another price, twice the traffic | `plan -f DIR --what-if 'pool l40s nodes+2'` |
| what the pools have and cost | `pools -f DIR`, `pools --from-cluster` |
| what a change costs | `diff -f DIR --base git:main` |

`--what-if` may be repeated; the changes are made in that order:

| change | |
|---|---|
| `pool NAME nodes+2`, `nodes-1`, `nodes=6` | declared stock, or Nodes: more are copies of the freest, the freest go |
| `price NAME=0.9`, `price NAME*1.2` | USD per GPU and hour of a pool, or of all pools of a GPU kind |
| `request NAME rps*2`, `rps=4`, `rps+1`, `rps-1` | demand; with several classes only a factor |
| `request NAME priority=10` | priority |

`NAME` of a request is `NAMESPACE/NAME` where the name alone is not clear. A pool of no GPUPool is that of `spec.pools`.

## Pull requests

`diff` plans both sides from scratch, so that equal files give equal costs whatever runs now. A side is files, folders,
or a git revision: `git:main` has the paths of `-f` in `main`, `git:main:deploy` has `deploy`, seen from the current
folder. Blobs are read as git stores them; nothing is checked out.

```bash
placewright diff -f deploy --base git:origin/main --pools inventory --max-increase-percent 10 --comment markdown
```

It exits with 3 when costs rise by more than `--max-increase-percent` or `--max-increase-per-hour`, or when a gate newly
blocks a request, and with 4 when a request newly has no plan. What has none on both sides does not count.

## Acting and idling

| question | command |
|---|---|
| what burns money now, and since when | `idle`, `idle -A -o wide`, `idle -f FILE` with statuses |
| the same where no operator looks | `idle -A --prometheus-url URL` |
| why one request idles or not, and what wakes it | `idle NAME` |
| get a reaped model back, and wait for it | `wake NAME --wait` |
| touch nothing of one request, of the fleet | `pause NAME --reason TEXT`, `pause --fleet` |
| go on; try a failed rollout again; release the brake | `resume NAME`, `resume --fleet` |

These commands write annotations and nothing else, with the name of who did it in `placewright.dev/actor`, and never
over a change that they have not seen; done twice they do no more than once. Whoever may patch PlacementRequests may use
them, and whoever may patch PlacementPolicies with `--fleet`.

`idle` never guesses: a model with missing, stale or partial figures is listed as not known, with the reason. With
`--prometheus-url` the request's own rules count (window, names of metrics), the defaults where it has none. Replicas
are those of `status.rollout`, else those of the plan, and one that shows no metrics makes the model not known. `$/h` is
the cost of the plan; `burnt` counts it since the last activity, as far back as that is known. `idle -o json` prints an
`IdleReport`: `items` with `burnsPerHour`, `source` (`Status` or `Prometheus`) and `idle` as in the status, and `fleet`
with the sums.

## Output

Standard output holds the result alone; notes, faults and progress go to standard error. On a terminal there are colours
and lines, which `NO_COLOR` and `TERM=dumb` switch off; in a pipe the text is plain, and wrapped only where `COLUMNS`
says so. A solve of more than a second shows its best price, bound and gap while it runs. Money is US dollars per hour
and per million tokens.

`plan -o json` prints a `PlacementPlanList` with each status as the operator would write it and the `fleet`: cost,
bound, gap, pools. With `--from-cluster` it also has `changes`, with `--what-if` `whatIf`, in the shape of `diff -o
json` (`PlacementDiff`): `items` with `change`, `old` and `new`, and `fleet` with both costs. `pools -o json` prints a
`PoolReport`, `pareto -o json` a `PlacementFrontierList` with the whole frontier of one replica, while a status holds at
most 50 points of it. Pictures need `pip install 'placewright[plot]'`, `profile fit` needs `pip install
'placewright[fit]'`.

## Exit codes

| code | meaning |
|---|---|
| 0 | planned (or: what was asked for is done) |
| 1 | internal error; `--debug` shows where |
| 2 | bad input |
| 3 | a gate blocks the plan |
| 4 | infeasible, or nothing was found within the time limit |
| 5 | `audit verify`: not intact |
| 6 | `--wait`: not done within the time |
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
