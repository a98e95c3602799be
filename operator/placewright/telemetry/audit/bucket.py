"""Copies of the journal in an S3-compatible bucket with object lock, where nobody can change or delete them in time.

Each upload is a piece of one journal file, `PREFIX/CHAIN/FIRST-LAST.jsonl` with the numbers of its records: pieces in
the order of their names are the journal. Nothing is kept here about what was sent: after a start, and after each fault,
the bucket itself is asked. A bucket that is away is caught up with from the journal's files.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from placewright.telemetry.audit.bucket_client import Bucket, BucketError
from placewright.telemetry.audit.record import hash_of, parsed
from placewright.telemetry.audit.segments import Place, lines_of, number_of, read_place, segments
from placewright.telemetry.audit.sinks import ThreadSink, Written
from placewright.telemetry.audit.state import SinkState

PIECE_BYTES: Final = 8 * 1024 * 1024
EVERY_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = (1.0, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cursor:
    """The next record to send: number and place of the file it begins in."""

    chain: str
    seq: int
    path: Path
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    data: bytes
    first: int
    last: int
    end: int  # byte of the file after it


class BucketSink(ThreadSink):
    """Sends what is confirmed in a journal's folder to a bucket.

    Args:
        folder: of the journal.
        bucket: where to.
        retention_days: how long each piece is locked (COMPLIANCE: for everybody, also the account's owner).
        prefix: of all keys, such as `placewright/`.
        clock: Unix seconds.
        every_seconds: how long records are gathered for a piece.
        piece_bytes: the largest piece, but for a longer record.
        retry_seconds: before the first and at most before a further attempt.
    """

    def __init__(
        self,
        folder: Path,
        bucket: Bucket,
        *,
        retention_days: int,
        prefix: str = "",
        clock: Callable[[], float],
        every_seconds: float = EVERY_SECONDS,
        piece_bytes: int = PIECE_BYTES,
        retry_seconds: tuple[float, float] = _RETRY_SECONDS,
    ) -> None:
        super().__init__("s3")
        self._folder = folder
        self._bucket = bucket
        self._retention = timedelta(days=retention_days)
        self._prefix = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
        self._clock = clock
        self._every_seconds = every_seconds
        self._piece_bytes = piece_bytes
        self._retry_seconds = retry_seconds
        self._cursor: _Cursor | None = None
        self._urgent = threading.Event()
        self._due = True  # something may be there to send, as at the start
        self._sent = 0
        self._newest = 0
        self._oldest_at: float | None = None
        self._fault = ""

    def offer(self, written: Sequence[Written]) -> None:
        """Take notice that there is more in the files."""
        if not written:
            return
        with self._changed:
            self._newest = written[-1].line.seq
            self._due = True
            if self._oldest_at is None:
                self._oldest_at = written[0].at
            self._changed.notify_all()

    def state(self, now: float) -> SinkState:
        """How it is doing; before the bucket has answered, only what was written since the start is pending."""
        with self._changed:
            oldest = self._oldest_at
            pending = max(self._newest - self._sent, 1) if oldest is not None else 0
            lag = max(now - oldest, 0.0) if oldest is not None else 0.0
            return SinkState(name=self.name, pending=pending, lag_seconds=lag, fault=self._fault)

    def hurry(self) -> None:
        """Send at once what is there."""
        self._urgent.set()
        with self._changed:
            self._changed.notify_all()

    def work(self) -> None:
        """Send until stopped, in a thread of its own."""
        wait, longest = self._retry_seconds
        while not self._stopped:
            with self._changed:
                self._changed.wait_for(lambda: self._due or self._stopped)
                if not self._urgent.is_set() and self._cursor is not None:
                    self._changed.wait_for(lambda: self._urgent.is_set() or self._stopped, self._every_seconds)
                self._due = False
            try:
                self._send_all()
            except Exception as error:  # noqa: BLE001 - whatever a library raises, copies must not end unseen
                self._cursor = None  # an upload may have arrived although nobody said so
                expected = isinstance(error, BucketError | OSError)
                with self._changed:
                    self._fault = str(error) if expected else f"unexpected {type(error).__name__}"
                    self._due = True
                    self._changed.wait_for(lambda: self._stopped, wait)
                wait = min(2 * wait, longest)
            else:
                self._urgent.clear()
                wait = self._retry_seconds[0]

    def _send_all(self) -> None:
        place = read_place(self._folder)
        if place is None:
            raise BucketError(f"{self._folder}: head.json is missing or was changed; nothing is sent")
        if self._cursor is None or self._cursor.chain != place.head.chain:
            self._cursor = self._resumed(place)
        while not self._stopped and self._cursor.seq <= place.head.seq:
            self._cursor = self._sent_piece(self._cursor, place)
        with self._changed:
            self._fault = ""
            if self._cursor.seq > self._newest:
                self._oldest_at = None

    def _sent_piece(self, cursor: _Cursor, place: Place) -> _Cursor:
        """Send the next piece, and return what comes after it."""
        piece = _piece(cursor, place, self._piece_bytes)
        if piece is None:
            number = number_of(cursor.path.name) or 0
            following = next((path for path in segments(self._folder) if (number_of(path.name) or 0) > number), None)
            if following is None:
                raise BucketError(f"{cursor.path}: record {cursor.seq} is missing")
            return _Cursor(chain=cursor.chain, seq=cursor.seq, path=following, offset=0)
        key = f"{self._prefix}{cursor.chain}/{piece.first:012d}-{piece.last:012d}.jsonl"
        until = datetime.fromtimestamp(self._clock(), tz=UTC) + self._retention
        self._bucket.put(key, piece.data, until)
        with self._changed:
            self._sent, self._fault = piece.last, ""
            self._newest = max(self._newest, place.head.seq)
        return _Cursor(chain=cursor.chain, seq=piece.last + 1, path=cursor.path, offset=piece.end)

    def _resumed(self, place: Place) -> _Cursor:
        """Find in the bucket what is there already, and where that ends in the files."""
        self._bucket.check()
        folder = f"{self._prefix}{place.head.chain}/"
        newest = max(self._bucket.keys(folder), default="")
        last = _last_of(newest, folder) if newest else 0
        if last > place.head.seq:
            raise BucketError(
                f"{newest} is in the bucket, but the journal ends at record {place.head.seq}: "
                "it was cut off, or an older copy of it was restored"
            )
        cursor = self._located(place, last + 1)
        if last:
            self._agrees(newest, last)
        with self._changed:
            self._sent, self._newest = last, max(self._newest, place.head.seq)
            self._oldest_at = _time_of(cursor) if last < place.head.seq else None
        return cursor

    def _located(self, place: Place, seq: int) -> _Cursor:
        for path in reversed(segments(self._folder)):
            first = _first(path)
            if first is None or first[0] != place.head.chain or first[1] > seq:
                continue
            offset = 0
            for index, (at, line, _) in enumerate(lines_of(path)):
                if first[1] + index == seq:
                    break
                offset = at + len(line) + 1
            return _Cursor(chain=place.head.chain, seq=seq, path=path, offset=offset)
        raise BucketError(f"{self._folder}: record {seq}, which is not in the bucket yet, is missing")

    def _agrees(self, key: str, last: int) -> None:
        """Whether the newest piece in the bucket is of this journal: two histories must not be mixed."""
        there = self._bucket.get(key).rstrip(b"\n").rpartition(b"\n")[2]
        for path in reversed(segments(self._folder)):
            first = _first(path)
            if first is None or first[1] > last:
                continue
            here = next((line for n, (_, line, _) in enumerate(lines_of(path), start=first[1]) if n == last), b"")
            if here != there:
                raise BucketError(f"{key}: record {last} in the bucket is not the one in the journal")
            return


def _piece(cursor: _Cursor, place: Place, limit: int) -> _Piece | None:
    """The next records of the cursor's file that are confirmed; None: there are no more in this file."""
    end = place.size if number_of(cursor.path.name) == place.segment else None
    lines: list[bytes] = []
    size, stop = 0, cursor.offset
    for offset, line, whole in lines_of(cursor.path, offset=cursor.offset, end=end):
        if not whole or (lines and size + len(line) >= limit):
            break
        if hash_of(line) is None:
            raise BucketError(f"{cursor.path}: the record at byte {offset} was changed; nothing more is sent")
        lines.append(line + b"\n")
        size += len(line) + 1
        stop = offset + len(line) + 1
    if not lines:
        return None
    return _Piece(data=b"".join(lines), first=cursor.seq, last=cursor.seq + len(lines) - 1, end=stop)


def _first(path: Path) -> tuple[str, int] | None:
    """Chain and number of a file's first record."""
    for _, line, _ in lines_of(path):
        body = parsed(line) or {}
        chain, seq = body.get("chain"), body.get("seq")
        return (chain, seq) if isinstance(chain, str) and type(seq) is int else None
    return None


def _time_of(cursor: _Cursor) -> float | None:
    for _, line, _ in lines_of(cursor.path, offset=cursor.offset):
        try:
            return datetime.fromisoformat(str((parsed(line) or {}).get("time"))).timestamp()
        except ValueError:
            return None
    return None


def _last_of(key: str, folder: str) -> int:
    first, _, last = key.removeprefix(folder).removesuffix(".jsonl").partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        raise BucketError(f"{key}: is no piece of a journal; the prefix must be the journal's own")
    return int(last)
