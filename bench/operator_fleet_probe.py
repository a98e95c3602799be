"""The operator as it is, with the time that its parts take written to the file that $SPANS names, one JSON line each.

A span is what one call took on the wall clock, with all that the call waited for, and the CPU time of the process
meanwhile, whoever used it.
"""

import functools
import inspect
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Told = Callable[[str, float, float], None]
"""Takes the name of a call that has ended, when it began, and the CPU time of the process then."""


def timed(name: str, call: Callable[..., Any], told: Told) -> Callable[..., Any]:
    """The call, which tells when it has ended."""
    if not inspect.iscoroutinefunction(call):

        @functools.wraps(call)
        def plain(*args: Any, **kwargs: Any) -> Any:
            began, cpu = time.monotonic(), time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                told(name, began, cpu)

        return plain

    @functools.wraps(call)
    async def waiting(*args: Any, **kwargs: Any) -> Any:
        began, cpu = time.monotonic(), time.process_time()
        try:
            return await call(*args, **kwargs)
        finally:
            told(name, began, cpu)

    return waiting


def run() -> None:
    """Runs `placewright run` with these calls timed."""
    file = Path(os.environ["SPANS"]).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 - as long as the process

    def told(name: str, began: float, cpu: float) -> None:
        ended, spent = time.monotonic(), time.process_time() - cpu
        file.write(json.dumps({"name": name, "began": began, "ended": ended, "cpu": spent}) + "\n")

    from placewright.cli.main import main  # noqa: PLC0415 - a solver process imports this module too, and needs none

    for owner, name in _watched():
        setattr(owner, name, timed(f"{owner.__name__}.{name}", getattr(owner, name), told))
    main()


def _watched() -> tuple[tuple[Any, str], ...]:
    from placewright.handlers.acting.idling import Idling  # noqa: PLC0415 - as in `run`
    from placewright.handlers.acting.loop import Acting  # noqa: PLC0415 - as in `run`
    from placewright.handlers.fleet import Fleet  # noqa: PLC0415 - as in `run`
    from placewright.handlers.fleet_solutions import FleetSolutions  # noqa: PLC0415 - as in `run`
    from placewright.handlers.intake import Intake  # noqa: PLC0415
    from placewright.handlers.kinds import KindStatuses  # noqa: PLC0415
    from placewright.handlers.live import LiveInputs  # noqa: PLC0415
    from placewright.handlers.members import Members  # noqa: PLC0415
    from placewright.handlers.publisher import Publisher  # noqa: PLC0415
    from placewright.handlers.reflector import Reflector  # noqa: PLC0415
    from placewright.handlers.solver import SolverPool  # noqa: PLC0415
    from placewright.handlers.surveyor import Surveyor  # noqa: PLC0415
    from placewright.telemetry.prometheus.book import QueryBook  # noqa: PLC0415

    return (
        (Reflector, "resync"),
        (Intake, "resync"),
        (Surveyor, "survey"),
        (Members, "world"),
        (FleetSolutions, "decide"),
        (SolverPool, "solve_fleet"),
        (Surveyor, "refresh"),
        (Publisher, "publish"),
        (KindStatuses, "write"),
        (LiveInputs, "refresh"),
        (QueryBook, "ask"),
        (Fleet, "weigh"),
        (Acting, "cycle"),
        (Acting, "_looks"),
        (Acting, "_decided"),
        (Acting, "_carry"),
        (Idling, "ask"),
    )


if __name__ == "__main__":
    run()
