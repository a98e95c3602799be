"""The operator with another solve entry, for tests: `python -m tests.support.operator_main`.

Everything else is the product's; the options that tests need come from the command line.
"""

import argparse
import asyncio
import os
import signal
from collections.abc import Callable

from placewright.handlers.acting.checkpoints import NAMES, passed
from placewright.handlers.operator import run_operator
from placewright.handlers.options import OperatorOptions
from placewright.telemetry.logs import configure_logging
from tests.support import solves


def death(text: str) -> Callable[[str], None]:
    """A checkpoint that kills this process when one of that name is passed the Nth time, as the kernel would."""
    name, _, number = text.partition(":")
    if name not in NAMES:
        raise argparse.ArgumentTypeError(f"got {name!r}, wants one of {', '.join(NAMES)}")
    left = int(number or 1)

    def passing(checkpoint: str) -> None:
        nonlocal left
        left -= checkpoint == name
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    return passing


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--namespace", action="append", default=[])
    parser.add_argument("--resync", type=float, default=120.0)
    parser.add_argument("--solver-processes", type=int, default=1)
    parser.add_argument("--solver-memory-mib", type=int, default=2048)
    parser.add_argument("--solver-grace", type=float, default=1.0)
    parser.add_argument("--metrics-address")
    parser.add_argument("--fleet-debounce", type=float, default=0.5)
    parser.add_argument("--apply", action="store_true")
    parser.add_argument("--act-interval", type=float, default=5.0)
    parser.add_argument("--prometheus-url")
    parser.add_argument("--prometheus-timeout", type=float, default=10.0)
    parser.add_argument("--die-at", metavar="NAME[:N]", type=death, help="SIGKILL at the Nth passing of a checkpoint.")
    told = parser.parse_args()
    configure_logging(text=False, level="INFO")
    options = OperatorOptions(
        namespaces=tuple(told.namespace),
        metrics_address=told.metrics_address,
        solver_processes=told.solver_processes,
        solver_memory_mib=told.solver_memory_mib,
        solver_grace_seconds=told.solver_grace,
        resync_seconds=told.resync,
        fleet_debounce_seconds=told.fleet_debounce,
        apply=told.apply,
        act_interval_seconds=told.act_interval,
        prometheus_url=told.prometheus_url,
        prometheus_timeout_seconds=told.prometheus_timeout,
    )
    checkpoint = told.die_at or passed
    asyncio.run(run_operator(options, entry=solves.by_name, fleet_entry=solves.fleet_by_name, checkpoint=checkpoint))


if __name__ == "__main__":
    main()
