"""`python -m demo`, which is what `make demo` runs."""

import os
import signal
import sys

from demo.signals import EndedError, Ending


def _run() -> int:
    """The demo's exit code: 0, 1 when a step failed, 128 + the signal that ended it."""
    ending = Ending()
    ending.take_signals()
    try:
        # Imported here: Ctrl-C has to be quiet from the first moment, and the imports take most of a second.
        from demo.main import main  # noqa: PLC0415

        code = main(check=ending.check)
        ending.check()
    except EndedError as ended:
        sys.stderr.write(f"\ndemo: ended by {ended.name}; nothing was left running\n")
        code = ended.code
    except BrokenPipeError:  # whoever read the output has gone; Python would complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    return code


if __name__ == "__main__":
    sys.exit(_run())
