"""The commands of `placewright`, and how it is started."""

import os
import sys
from pathlib import Path
from typing import Final

import click

from placewright import __version__
from placewright.cli import environment, exits, streams
from placewright.cli.lazy import Entry, RootGroup, debug_option

_HERE: Final = "placewright.cli"

COMMANDS: Final = {
    "plan": Entry(module=f"{_HERE}.plan", attribute="plan", summary="Find the cheapest layout that fits and passes."),
    "explain": Entry(
        module=f"{_HERE}.explain", attribute="explain", summary="Say why this plan, what lost and what binds."
    ),
    "pareto": Entry(module=f"{_HERE}.pareto", attribute="pareto", summary="Show the frontier of cost and throughput."),
    "render": Entry(
        module=f"{_HERE}.render", attribute="render", summary="Print the objects that start a plan, for GitOps."
    ),
    "diff": Entry(module=f"{_HERE}.diff", attribute="diff", summary="Show what a change costs, for a pull request."),
    "pools": Entry(
        module=f"{_HERE}.pools", attribute="pools", summary="Show shared pools: GPUs, prices, what a node is worth."
    ),
    "validate": Entry(
        module=f"{_HERE}.validate", attribute="validate", summary="Check files against schema and rules."
    ),
    "run": Entry(module=f"{_HERE}.run", attribute="run", summary="Run the operator."),
    "ramp": Entry(module=f"{_HERE}.ramp", attribute="ramp", summary="Look at a request's ramp and steer it."),
    "rollback": Entry(
        module=f"{_HERE}.rollback", attribute="rollback", summary="Let an earlier plan of a request serve again."
    ),
    "idle": Entry(module=f"{_HERE}.idle", attribute="idle", summary="Show what burns money without doing anything."),
    "wake": Entry(module=f"{_HERE}.wake", attribute="wake", summary="Give a reaped model its replicas back."),
    "pause": Entry(module=f"{_HERE}.pause", attribute="pause", summary="Act on nothing until it is resumed."),
    "resume": Entry(
        module=f"{_HERE}.pause", attribute="resume", summary="Go on after a pause, a failed rollout or a brake."
    ),
    "audit": Entry(module=f"{_HERE}.audit", attribute="audit", summary="Prove and read the audit journal."),
    "crds": Entry(module=f"{_HERE}.crds", attribute="crds", summary="Print the custom resource definitions."),
    "network": Entry(module=f"{_HERE}.network", attribute="network", summary="Make files of the config-dir format."),
    "profile": Entry(module=f"{_HERE}.profile", attribute="profile", summary="Fit the performance model to data."),
    "calibrate": Entry(
        module=f"{_HERE}.calibrate",
        attribute="calibrate",
        summary="Propose measured rows from what a model's servers did.",
    ),
    "completion": Entry(
        module=f"{_HERE}.completion", attribute="completion", summary="Print the shell's completion script."
    ),
    "version": Entry(module=f"{_HERE}.version", attribute="version", summary="Print the version."),
}


@click.command(
    cls=RootGroup,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=exits.HELP,
)
@click.version_option(__version__, message="placewright %(version)s")
@debug_option
def cli() -> None:
    """Find, prove and explain the cheapest GPU layout for serving an LLM."""


def program_name(path: str) -> str:
    """How the user called it: a kubectl plugin is called through kubectl."""
    return "kubectl placewright" if Path(path).name.startswith("kubectl-placewright") else "placewright"


def start() -> None:
    """Run the command line for this process's arguments."""
    streams.tolerate_any_text()
    environment.prepare_compile_cache(os.environ)
    cli.main(prog_name=program_name(sys.argv[0]))
