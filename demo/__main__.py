"""`python -m demo`, which is what `make demo` runs."""

import os
import signal
import sys
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _EndedError(BaseException):
    """A signal asked the demo to end; a BaseException, so that nothing on the way takes it for a fault."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


def _take_signals() -> None:
    """Turns the signals that end a program into an exception, so that all that was started is ended too."""

    def end(number: int, _: FrameType | None) -> None:
        for one in _ENDING:
            signal.signal(one, signal.SIG_IGN)  # a second Ctrl-C must not cut the ending short
        raise _EndedError(number)

    for number in _ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup asks
            signal.signal(number, end)


def _run() -> int:
    """The demo's exit code: 0, 1 when a step failed, 128 + the signal that ended it."""
    try:
        _take_signals()
        # Imported here: Ctrl-C has to be quiet from the first moment, and the imports take most of a second.
        from demo.main import main  # noqa: PLC0415

        code = main()
    except _EndedError as ended:
        code = ended.code
        sys.stderr.write(f"\ndemo: ended by {signal.Signals(code - 128).name}; nothing was left running\n")
    except BrokenPipeError:  # whoever read the output has gone; Python would complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    return code


if __name__ == "__main__":
    sys.exit(_run())
