"""`python -m tests.controlplane build|path|up|down|env`, in the root of the repository."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.controlplane import cluster
from tests.controlplane.assets import ALL_PROGRAMS, GROUPS, AssetsError, Finder
from tests.controlplane.processes import tail


def _out(line: str) -> None:
    sys.stdout.write(line + "\n")


def _progress(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _finder() -> Finder:
    return Finder(report=_progress)


def _build(arguments: argparse.Namespace) -> None:
    groups = {group.name: group for group in GROUPS}
    unknown = sorted(set(arguments.group) - set(groups))
    if unknown:
        raise AssetsError(f"no module {unknown[0]!r}; there are {', '.join(groups)}")
    finder = _finder()
    for name in arguments.group or groups:
        for program, path in finder.paths(groups[name].files).items():
            _out(f"{program:<24}{path}")


def _path(arguments: argparse.Namespace) -> None:
    finder = Finder(may_build=False)
    if len(arguments.program) == 1:
        _out(str(finder.path(arguments.program[0])))
        return
    for name, path in finder.paths(arguments.program or ALL_PROGRAMS).items():
        _out(f"{name:<24}{path}")


def _up(_: argparse.Namespace) -> None:
    state = cluster.up(cluster.Place.of(os.environ), _finder(), _progress)
    _out(f"# operator: {state['operator']}/metrics, log in {state['operatorLog']}")
    _out(f"# kubectl: {state['kubectl']}")
    _out(_export(state))
    if not state["operatorHealthy"]:
        raise cluster.ClusterError(
            f"the cluster is up, but the operator did not answer {state['operator']}/healthz; its log ends:\n"
            + tail(Path(state["operatorLog"]))
        )


def _env(_: argparse.Namespace) -> None:
    place = cluster.Place.of(os.environ)
    state = place.read() if place.is_up() else {}
    if not state.get("ready"):
        raise cluster.ClusterError("no cluster is up; start one with `python -m tests.controlplane up`")
    _out(_export(state))


def _export(state: dict[str, str]) -> str:
    return f"export KUBECONFIG={shlex.quote(state['kubeconfig'])}"


def _down(_: argparse.Namespace) -> None:
    was_up = cluster.down(cluster.Place.of(os.environ))
    _out("the cluster is down" if was_up else "no cluster was up")


def _keep(_: argparse.Namespace) -> None:
    cluster.keep(cluster.Place.of(os.environ), _finder())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.controlplane", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], None], text: str | None) -> argparse.ArgumentParser:
        # A command without text stays out of --help: it is for this module itself.
        command = commands.add_parser(name, help=text) if text else commands.add_parser(name)
        command.set_defaults(run=run)
        return command

    build = add("build", _build, "build what is missing, and print the paths")
    build.add_argument("group", nargs="*", help=f"only these of {', '.join(group.name for group in GROUPS)}")
    path = add("path", _path, "print the path of one program, or name and path of several or all; builds nothing")
    path.add_argument("program", nargs="*", help=f"of {', '.join(ALL_PROGRAMS)}")
    add("up", _up, "start control plane, CRDs, fake GPU nodes and operator; prints the KUBECONFIG line")
    add("env", _env, "print the KUBECONFIG line of the running cluster")
    add("down", _down, "end what `up` started")
    add("keep", _keep, None)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 with one message on stderr, or 130 after Ctrl-C."""
    parsed = _parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except (AssetsError, cluster.ClusterError) as error:
        _progress(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        _progress("interrupted")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
