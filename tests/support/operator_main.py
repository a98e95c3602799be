"""The operator with another solve entry, for tests: `python -m tests.support.operator_main`.

Everything else is the product's; the options that tests need come from the command line.
"""

import argparse
import asyncio

from placewright.handlers.operator import run_operator
from placewright.handlers.options import OperatorOptions
from placewright.telemetry.logs import configure_logging
from tests.support import solves


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--namespace", action="append", default=[])
    parser.add_argument("--resync", type=float, default=120.0)
    parser.add_argument("--solver-processes", type=int, default=1)
    parser.add_argument("--solver-memory-mib", type=int, default=2048)
    parser.add_argument("--solver-grace", type=float, default=1.0)
    parser.add_argument("--metrics-address")
    told = parser.parse_args()
    configure_logging(text=False, level="INFO")
    options = OperatorOptions(
        namespaces=tuple(told.namespace),
        metrics_address=told.metrics_address,
        solver_processes=told.solver_processes,
        solver_memory_mib=told.solver_memory_mib,
        solver_grace_seconds=told.solver_grace,
        resync_seconds=told.resync,
    )
    asyncio.run(run_operator(options, entry=solves.by_name, fleet_entry=solves.fleet_by_name))


if __name__ == "__main__":
    main()
