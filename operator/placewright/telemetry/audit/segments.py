"""The files of a journal: `audit-000001.jsonl` ..., `head.json`, `audit.lock`."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from placewright.telemetry.audit.chain import Head
from placewright.telemetry.audit.record import canonical, parsed

HEAD_FILE: Final = "head.json"
LOCK_FILE: Final = "audit.lock"
_NAME: Final = re.compile(r"audit-(\d{6,12})\.jsonl")


def name_of(number: int) -> str:
    """Return the name of a journal file."""
    return f"audit-{number:06d}.jsonl"


def number_of(name: str) -> int | None:
    """Return the number of a journal file; None: another file."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found is not None and name_of(int(found[1])) == name else None


def segments(folder: Path) -> list[Path]:
    """Return the journal files of a folder in order."""
    found = ((number_of(path.name), path) for path in folder.iterdir())
    return [path for _, path in sorted((number, path) for number, path in found if number is not None)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The end of a journal on disk: what was synced before anybody was told that a record is written.

    Attributes:
        head: of the chain.
        segment: number of the file that the last record stands in.
        size: of that file in bytes.
    """

    head: Head
    segment: int
    size: int

    def data(self) -> bytes:
        """Return the content of the head file."""
        head = self.head
        fields = {
            "chain": head.chain,
            "seq": head.seq,
            "hash": head.hash,
            "segment": name_of(self.segment),
            "bytes": self.size,
        }
        return canonical(fields) + b"\n"


def read_place(folder: Path) -> Place | None:
    """Return what the head file says; None: it is missing, or not as it was written.

    Raises:
        OSError: it is there and cannot be read.
    """
    try:
        data = (folder / HEAD_FILE).read_bytes()
    except FileNotFoundError:
        return None
    return place_of(data)


def place_of(data: bytes) -> Place | None:
    """Return what the content of a head file says; None: it is not as it was written."""
    found = parsed(data)
    if found is None:
        return None
    chain, seq, digest = found.get("chain"), found.get("seq"), found.get("hash")
    size, number = found.get("bytes"), number_of(str(found.get("segment")))
    if not isinstance(chain, str) or not isinstance(digest, str) or number is None:
        return None
    if type(seq) is not int or type(size) is not int:
        return None
    place = Place(head=Head(chain=chain, seq=seq, hash=digest), segment=number, size=size)
    return place if place.data() == data else None


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file in one step: it has its old content or all of the new, whenever the machine stops."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything; a write may take only a part, as when the disk fills up."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Make names of new files durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lines_of(path: Path, *, offset: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes, bool]]:
    """Iterate over a file's lines from an offset as (offset, line without its end, whether it has one).

    Args:
        path: the file.
        offset: of the first line.
        end: lines that begin here or after are not read.
    """
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if end is not None and offset >= end:
                return
            whole = line.endswith(b"\n")
            yield offset, line[:-1] if whole else line, whole
            offset += len(line)
