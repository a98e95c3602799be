"""What runs inside a solver process: module-level functions on plain data, imported afresh by each process."""

import ctypes
import importlib
import os
import resource
import signal
import sys
import time

from placewright.core.demand import Fault
from placewright.core.model import Decision, FleetDecision, Request, Snapshot

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SINGLE_THREADED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def prepare(parent: int, memory_limit_bytes: int) -> None:
    """Runs first in each solver process: bounds its memory, ties its life to the operator's, warms the imports.

    Args:
        parent: process id of the operator.
        memory_limit_bytes: of private data; an allocation beyond it raises MemoryError. 0: no limit.
    """
    _die_with(parent)
    for name in _SINGLE_THREADED:
        os.environ.setdefault(name, "1")
    if memory_limit_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_limit_bytes, memory_limit_bytes))
    importlib.import_module("placewright.core.decide")


def warm_up() -> None:
    """Loads the compiled kernels; that it returns shows that the process is ready."""
    from placewright.core.warm import warm  # noqa: PLC0415 - as in `solve`

    warm()


def solve(request: Request) -> Decision:
    """Decides one request; the operator's solve entry."""
    # Imported here: the operator's own process must not load the numerical libraries.
    from placewright.core.decide import decide  # noqa: PLC0415

    return decide(request, clock=time.monotonic)


def solve_fleet(snapshot: Snapshot) -> FleetDecision:
    """Decides requests that share pools together; the operator's solve entry for a part of the fleet."""
    from placewright.core.fleet.decide import decide_fleet  # noqa: PLC0415 - as in `solve`

    return decide_fleet(snapshot, clock=time.monotonic)


def forecast(question: tuple[tuple[tuple[float, float], ...], float]) -> float | Fault:
    """Forecasts the peak of a rate: points of (seconds, rate), and how many seconds ahead."""
    from placewright.telemetry.forecast import forecast as peak  # noqa: PLC0415 - as in `solve`

    return peak(*question)


def _die_with(parent: int) -> None:
    """Asks the kernel to kill this process when the operator dies, so that a SIGKILL leaves no orphan solving."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call above
        os._exit(1)
