"""Writing: to streams that may be closed or know no Unicode, and to files that are whole or not there."""

import contextlib
import io
import locale
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from placewright.cli.faults import Fault, FaultsError

DUMB: Final = ("dumb", "unknown")
"""Values of TERM that promise nothing but lines of text."""


def tolerate_any_text() -> None:
    """Make the standard streams write what their encoding lacks as an escape, so that no name can fail a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_terminal(stream: IO[Any]) -> bool:
    """Whether a person looks at the stream."""
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def shows_unicode(stream: IO[Any], environ: Mapping[str, str]) -> bool:
    """Whether lines and boxes beyond ASCII can be expected to look right."""
    if environ.get("TERM") in DUMB:
        return False
    encoding = (getattr(stream, "encoding", None) or locale.getencoding()).lower().replace("-", "")
    named = environ.get("LC_ALL") or environ.get("LANG") or "C"
    return encoding.startswith("utf") and named not in ("C", "POSIX")


def abandon_stdout() -> None:
    """Send what is still to be written nowhere: the reader has gone, and Python would complain at exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file in one step, so that it is never seen half-written; permissions as for any new file.

    Raises:
        FaultsError: it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file():  # a device or a pipe cannot be replaced
            path.write_bytes(data)
            return
        _replace(path, data)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FaultsError([Fault(place=str(path), got=reason, wants="a file to write")]) from None


def _replace(path: Path, data: bytes) -> None:
    target = path.resolve()
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~mask)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
