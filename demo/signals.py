"""Ctrl-C and its like end the demo at its next step, which is never far.

They are not raised where they arrive: an exception in the middle of starting a thread or a process would leave it
running with nobody who knows of it.
"""

import os
import signal
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EndedError(BaseException):
    """A signal asked the demo to end; a BaseException, so that nothing on the way takes it for a fault.

    Attributes:
        name: of the signal.
        code: what a shell shows for it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.code = 128 + number


class Ending:
    """Remembers the signal that asked for the end."""

    def __init__(self) -> None:
        self._number: int | None = None

    def take_signals(self) -> None:
        """Takes the signals that end a program, except those that are ignored, as nohup asks."""
        for number in _ENDING:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._remember)

    def check(self) -> None:
        """Raises EndedError once a signal has come; called between steps and on each poll."""
        if self._number is not None:
            raise EndedError(self._number)

    def _remember(self, number: int, _: FrameType | None) -> None:
        if self._number is not None:
            os._exit(128 + number)  # asked twice: at once; the operator dies with this process
        self._number = number
