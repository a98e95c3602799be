"""Loopback ports that two test processes never both get."""

import errno
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

# Below the kernel's ephemeral range: no outgoing connection can take a port while its server is down.
_FIRST, _LAST = 20000, 29999


class PortReservation:
    """One free loopback port, reserved among users of this class until released or until the process ends."""

    def __init__(self) -> None:
        folder = Path(tempfile.gettempdir()) / f"placewright-ports-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        choices = list(range(_FIRST, _LAST + 1))
        random.SystemRandom().shuffle(choices)
        for port in choices:
            lock = _try_lock(folder / str(port))
            if lock is None:
                continue
            if _is_free(port):
                self.port = port
                self._lock = lock
                return
            lock.close()
        raise OSError(errno.EADDRINUSE, f"no free loopback port between {_FIRST} and {_LAST}")

    def release(self) -> None:
        """Lets others have the port."""
        self._lock.close()

    def __enter__(self) -> int:
        return self.port

    def __exit__(self, *_: object) -> None:
        self.release()


def _try_lock(path: Path) -> IO[str] | None:
    handle = path.open("w", encoding="ascii")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
