"""Ctrl-C where an exception would be lost: inside half-done imports and inside libraries that swallow it."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType


def leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a signal handler
    """End the process with one line."""
    os.write(2, b"interrupted\n")
    os._exit(130)


@contextlib.contextmanager
def leaving_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process at once, as long as nothing is written yet; an other handler stands as it is."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not ours or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
