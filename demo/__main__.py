"""`python -m demo`, which is what `make demo` runs."""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from demo.api import ApiFailedError
from demo.crd import CrdError
from demo.operator_process import OperatorFailedError
from demo.samples import SampleError
from demo.show import standard_page
from demo.story import ROOT, DemoError, Setting, tell
from tests.controlplane.processes import tail

_LOG_LINES = 15
_FAILURES = (DemoError, OperatorFailedError, ApiFailedError, SampleError, CrdError)


class _EndedError(BaseException):
    """A signal asked the demo to end; a BaseException, so that nothing on the way takes it for a fault."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo; returns its exit code: 0, 1 when a step failed, 128 + the signal that ended it."""
    told = _parser().parse_args(arguments)
    code = 0
    try:
        with _signals(), tempfile.TemporaryDirectory(prefix="placewright-demo-") as folder:
            setting = Setting(program=told.operator, samples=told.samples, folder=Path(folder))
            try:
                tell(standard_page(), setting)
            except _FAILURES as error:
                _complain(str(error), tail(setting.log, _LOG_LINES))
                code = 1
    except _EndedError as ended:
        code = ended.code
        _complain(f"ended by {signal.Signals(code - 128).name}; nothing was left running", "")
    except BrokenPipeError:  # whoever read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    return code


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
    return parser


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Turns the signals that end a program into an exception, so that all that was started is ended too."""

    def end(number: int, _: FrameType | None) -> None:
        for one in taken:
            signal.signal(one, signal.SIG_IGN)  # a second Ctrl-C must not cut the ending short
        raise _EndedError(number)

    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    taken = [number for number in wanted if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in taken}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _complain(message: str, log: str) -> None:
    """One line about what is wrong, then the end of the operator's log."""
    sys.stderr.write(f"demo: {message}\n")
    if log:
        indented = "".join(f"  {line}\n" for line in log.splitlines())
        sys.stderr.write(f"demo: the operator's log ends:\n{indented}")


if __name__ == "__main__":
    sys.exit(main())
