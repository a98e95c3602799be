"""The command line of the demo, and what it says when a step fails."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from demo.api import ApiFailedError
from demo.calls import DemoError
from demo.crd import CrdError
from demo.operator_process import OperatorFailedError
from demo.samples import SampleError
from demo.show import standard_page
from demo.story import ROOT, Setting, tell
from tests.controlplane.processes import tail

_LOG_LINES = 15
_FAILURES = (DemoError, OperatorFailedError, ApiFailedError, SampleError, CrdError)


def main(arguments: Sequence[str] | None = None, *, check: Callable[[], None]) -> int:
    """Runs the demo; returns 0, or 1 when a step failed, which is told on stderr with the end of the operator's log.

    Args:
        arguments: of the command line; None: those of this process.
        check: called again and again; what it raises ends the demo.
    """
    told = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="placewright-demo-") as folder:
        setting = Setting(
            program=told.operator,
            samples=told.samples,
            fleet=told.fleet,
            dollars=told.dollars,
            idle=told.idle,
            patience_seconds=told.patience,
            folder=Path(folder),
            check=check,
        )
        try:
            tell(standard_page(), setting)
        except _FAILURES as error:
            sys.stderr.write(f"demo: failed: {error}\n")
            lines = tail(setting.log, _LOG_LINES).splitlines()
            if lines:
                sys.stderr.write("\n".join(["demo: the operator's log ends:", *(f"  {line}" for line in lines)]) + "\n")
            return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description="The whole product without a cluster.")
    parser.add_argument(
        "--operator",
        type=Path,
        default=Path(sys.executable).with_name("placewright"),
        metavar="PROGRAM",
        help="the placewright program; default: the one beside this Python",
    )
    parser.add_argument(
        "--samples",
        type=Path,
        default=ROOT / "config" / "samples",
        metavar="FOLDER",
        help="manifests to apply; default: config/samples",
    )
    parser.add_argument(
        "--fleet",
        type=Path,
        default=ROOT / "demo" / "fleet",
        metavar="FOLDER",
        help="Nodes, pools and models that share them; default: demo/fleet",
    )
    parser.add_argument(
        "--dollars",
        type=Path,
        default=ROOT / "demo" / "dollars",
        metavar="FOLDER",
        help="a policy and a model with a gate on live revenue; default: demo/dollars",
    )
    parser.add_argument(
        "--idle",
        type=Path,
        default=ROOT / "demo" / "idle",
        metavar="FOLDER",
        help="a model that idles; default: demo/idle",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long each step of the fleet and of what follows may take; default: 60",
    )
    return parser
