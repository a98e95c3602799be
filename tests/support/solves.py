"""Solve entries that hang, die, raise or eat memory; module-level, so that solver processes can import them.

What a request gets is chosen by the marker before the first dash of its name, as `hang-1`; anything else is decided
for real. `hold` waits until the file of PLACEWRIGHT_TEST_GATE exists, so that a test decides when a solve ends.
"""

import os
import signal
import time
from pathlib import Path

from placewright.core.model import Decision, FleetDecision, Request, Snapshot
from placewright.handlers import worker

_GATE_POLL_SECONDS = 0.02


def by_name(request: Request) -> Decision:
    _behave(request.name)
    return worker.solve(request)


def fleet_by_name(part: Snapshot) -> FleetDecision:
    """A part of the fleet behaves as each of its requests."""
    for request in part.requests:
        _behave(request.name)
    return worker.solve_fleet(part)


def _behave(name: str) -> None:
    match name.partition("-")[0]:
        case "hang":
            signal.pause()
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "raise":
            raise ValueError("this solve was told to raise")
        case "eat":
            eaten = [bytearray(64 * 1024 * 1024) for _ in range(10_000)]
            del eaten
        case "hold":
            _wait_for_gate()


def pid_then_hang(request: Request) -> Decision:
    """Tells its process id in the file of PLACEWRIGHT_TEST_GATE, then hangs."""
    Path(os.environ["PLACEWRIGHT_TEST_GATE"]).write_text(str(os.getpid()), encoding="utf-8")
    signal.pause()
    raise AssertionError(request.name)


def _wait_for_gate() -> None:
    gate = Path(os.environ["PLACEWRIGHT_TEST_GATE"])
    while not gate.exists():
        time.sleep(_GATE_POLL_SECONDS)
