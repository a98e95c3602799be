"""The journal: one writer appends batches to a chain of files; nothing counts as written before it is on the disk."""

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from placewright.core.errors import PlacewrightError
from placewright.telemetry.audit import chain, recovery
from placewright.telemetry.audit.entry import Json
from placewright.telemetry.audit.record import Line
from placewright.telemetry.audit.segments import (
    HEAD_FILE,
    LOCK_FILE,
    Place,
    name_of,
    replace_file,
    sync_folder,
    write_all,
)

SEGMENT_BYTES: Final = 64 * 1024 * 1024
_MODE: Final = 0o640

Stamped = tuple[Json, datetime]
"""The body of a record and when it happened."""


class JournalError(PlacewrightError):
    """The journal cannot be written now: disk full, folder gone, files changed by somebody else. Try again later."""


class JournalBusyError(JournalError):
    """Another process writes this journal."""


class Disk(Protocol):
    """The seam to the file system, where writes can fail."""

    def append(self, descriptor: int, data: bytes) -> None:
        """Write all bytes at the end of a file and make them durable."""
        ...

    def replace(self, path: Path, data: bytes) -> None:
        """Replace a file in one step, durably."""
        ...


class RealDisk:
    """The file system."""

    def append(self, descriptor: int, data: bytes) -> None:
        """Write and fsync."""
        write_all(descriptor, data)
        os.fsync(descriptor)

    def replace(self, path: Path, data: bytes) -> None:
        """Write beside it, fsync, rename."""
        replace_file(path, data)


def _now() -> datetime:
    return datetime.now(tz=UTC)


@dataclass(slots=True)
class _Open:
    """The state of a journal that is open."""

    lock: int
    file: int
    place: Place
    digest: "hashlib._Hash"
    is_checkpoint: bool


class Journal:
    """The chain of records in a folder.

    Blocking; one thread at a time. Another process that has the journal open keeps this one out.

    Args:
        folder: made when it is not there.
        clock: time of records about the journal itself.
        segment_bytes: a file that is at least this large is followed by another.
        disk: the file system.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], datetime] = _now,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Disk | None = None,
    ) -> None:
        self.folder = folder
        self.damage = ""  # what was wrong when it was opened, so that a new chain began
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._disk = disk or RealDisk()
        self._open: _Open | None = None

    @property
    def is_open(self) -> bool:
        """Whether records can be appended."""
        return self._open is not None

    @property
    def place(self) -> Place | None:
        """Where the journal ends; None while it is closed."""
        return self._open.place if self._open is not None else None

    def open(self) -> Place:
        """Take the journal over where it ends.

        An unfinished line at the end is cut off and kept in a file beside it. What else is wrong is left as it is and
        told in `damage`: a new chain begins after it, whose first record says what was found.

        Raises:
            JournalBusyError: another process has it.
            JournalError: the folder cannot be used.
        """
        if self._open is not None:
            return self._open.place
        lock = -1
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            lock = self._locked()
            self._open = self._taken_over(lock)
        except OSError as error:
            _close(lock)
            raise _error(self.folder, error) from error
        except BaseException:
            _close(lock)
            raise
        return self._open.place

    def append(self, batch: Sequence[Stamped]) -> list[Line]:
        """Write records; all of them are on the disk when this returns, none of them counts when it raises.

        Raises:
            JournalError: nothing was written; the journal is closed, `open` finds out where it stands.
        """
        opened = self._opened()
        try:
            self._unchanged(opened)
            if opened.place.size >= self._segment_bytes:
                opened = self._open = self._rotated(opened)
            return self._appended(opened, batch)
        except OSError as error:
            self._undo(opened)
            raise _error(self.folder, error) from error
        except JournalError:
            self._drop()
            raise

    def close(self) -> None:
        """Write a Checkpoint after what was written since the last one, and let others have the journal."""
        if self._open is None:
            return
        if not self._open.is_checkpoint:
            with suppress(JournalError):  # a Checkpoint says nothing that the head file does not say
                self._checkpoint(self._open)
        self._drop()

    def _opened(self) -> _Open:
        if self._open is None:
            raise JournalError(f"{self.folder}: the journal is not open")
        return self._open

    def _locked(self) -> int:
        path = self.folder / LOCK_FILE
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 64, 0).decode(errors="replace").strip()
            os.close(lock)
            raise JournalBusyError(
                f"{self.folder}: another process{f' ({holder})' if holder else ''} writes this audit journal; "
                "each operator needs a folder of its own"
            ) from None
        except OSError:
            os.close(lock)
            raise
        with suppress(OSError):  # only for the message above
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"pid {os.getpid()}\n".encode(), 0)
        return lock

    def _taken_over(self, lock: int) -> _Open:
        found = recovery.look(self.folder)
        self.damage = str(found.after["found"]) if found.after is not None else ""
        if found.place is None or found.digest is None:
            return self._begun(lock, found.last_segment + 1, found.after)
        path = self.folder / name_of(found.place.segment)
        file = _reopened(path)
        try:
            if found.torn:
                _keep_aside(path, found.place.size, found.torn)
                os.ftruncate(file, found.place.size)
                os.fsync(file)
            self._disk.replace(self.folder / HEAD_FILE, found.place.data())
        except BaseException:
            os.close(file)
            raise
        return _Open(lock=lock, file=file, place=found.place, digest=found.digest, is_checkpoint=found.is_checkpoint)

    def _begun(self, lock: int, number: int, after: Json | None) -> _Open:
        """Begin a chain."""
        head = chain.new_chain()
        if after is None:
            # Before the first file, so that files without a head file are never an honest state.
            self._disk.replace(self.folder / HEAD_FILE, Place(head=head, segment=number, size=0).data())
        line, head = chain.follow(head, chain.genesis(after), self._clock())
        return self._new_file(lock, number, line, head)

    def _new_file(self, lock: int, number: int, first: Line, head: chain.Head) -> _Open:
        """Make a file with its first record; it appears whole or not at all."""
        path, data = self.folder / name_of(number), first.data + b"\n"
        if path.exists():
            raise JournalError(f"{path}: is there already, and this journal did not write it")
        self._disk.replace(path, data)
        sync_folder(self.folder)
        place = Place(head=head, segment=number, size=len(data))
        self._disk.replace(self.folder / HEAD_FILE, place.data())
        digest = hashlib.sha256(data)
        return _Open(lock=lock, file=_reopened(path), place=place, digest=digest, is_checkpoint=False)

    def _rotated(self, opened: _Open) -> _Open:
        """End a file with a Checkpoint and go on in the next."""
        if not opened.is_checkpoint:
            self._checkpoint(opened)
        place = opened.place
        number = place.segment + 1
        body = chain.segment(number, name_of(place.segment), opened.digest.hexdigest())
        line, head = chain.follow(place.head, body, self._clock())
        fresh = self._new_file(opened.lock, number, line, head)
        os.close(opened.file)
        return fresh

    def _checkpoint(self, opened: _Open) -> None:
        try:
            self._appended(opened, [(chain.checkpoint(opened.place.head), self._clock())])
        except OSError as error:
            self._undo(opened)
            raise _error(self.folder, error) from error
        opened.is_checkpoint = True

    def _appended(self, opened: _Open, batch: Sequence[Stamped]) -> list[Line]:
        head, lines = opened.place.head, []
        for body, moment in batch:
            line, head = chain.follow(head, body, moment)
            lines.append(line)
        data = b"".join(part for line in lines for part in (line.data, b"\n"))
        self._disk.append(opened.file, data)
        place = Place(head=head, segment=opened.place.segment, size=opened.place.size + len(data))
        self._disk.replace(self.folder / HEAD_FILE, place.data())
        opened.place, opened.is_checkpoint = place, False
        opened.digest.update(data)
        return lines

    def _unchanged(self, opened: _Open) -> None:
        """Whether the file is still the one that was written last: others may have moved, cut or filled it."""
        path = self.folder / name_of(opened.place.segment)
        mine, named = os.fstat(opened.file), path.stat()
        if (mine.st_ino, mine.st_dev) != (named.st_ino, named.st_dev) or mine.st_size != opened.place.size:
            raise JournalError(f"{path}: was changed by somebody else")

    def _undo(self, opened: _Open) -> None:
        """Take back what a failed write left, so that the disk gets its room back; then close."""
        with suppress(OSError):
            os.ftruncate(opened.file, opened.place.size)
        self._drop()

    def _drop(self) -> None:
        if self._open is not None:
            _close(self._open.file)
            _close(self._open.lock)
            self._open = None


def _reopened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        with suppress(OSError):
            os.close(descriptor)


def _keep_aside(path: Path, offset: int, torn: bytes) -> None:
    """Keep the unfinished end of a write for people; it was never told to be written, so failing here is no loss."""
    target = path.with_name(f"{path.name}.{offset}.torn")
    with suppress(OSError), target.open("ab") as file:
        file.write(torn)


def _error(folder: Path, error: OSError) -> JournalError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return JournalError(f"{folder}: no space left on the disk of the audit journal")
    reason = error.strerror or str(error)
    return JournalError(f"{error.filename or folder}: {reason.lower()}")
