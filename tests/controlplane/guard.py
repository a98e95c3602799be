"""Runs a command that dies with the process that asked for it, even when that one is SIGKILLed.

Used as `python guard.py PARENT_PID COMMAND...`: asks the kernel for SIGKILL at the parent's death and becomes
the command. The request survives the exec. Elsewhere than on Linux it only becomes the command.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Asks for the signal, checks that the parent did not die in between, and becomes the command."""
    parent_pid, command = int(sys.argv[1]), sys.argv[2:]
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and an exec would inherit that
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent_pid:
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
