"""Entry point of `placewright` and `kubectl placewright`."""

import os
import signal
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a signal handler
    os.write(2, b"interrupted\n")
    os._exit(130)


def main() -> None:
    """Run the command line. Ctrl-C ends it as one line, also while it is still being imported.

    An exception inside a half-done import may come out as another one, so the process leaves at once there.
    """
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # a shell's background job ignores Ctrl-C
    if ours:
        signal.signal(signal.SIGINT, _leave)
    from placewright.cli.root import start  # noqa: PLC0415 - after the handler

    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    start()
