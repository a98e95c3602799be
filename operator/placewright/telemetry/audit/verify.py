"""Whether a journal is as it was written.

An intact one is proved in one pass that keeps nothing in memory. Only when something does not fit are all records
gathered and `diagnosis` says what it is.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from placewright.core.errors import InvalidRequestError
from placewright.telemetry.audit.chain import Head
from placewright.telemetry.audit.diagnosis import diagnose
from placewright.telemetry.audit.entry import ChainKind, Json
from placewright.telemetry.audit.findings import Finding, Problem, Report
from placewright.telemetry.audit.layout import unfinished_text
from placewright.telemetry.audit.record import NO_HASH, hash_of, parsed
from placewright.telemetry.audit.segments import HEAD_FILE, Place, lines_of, number_of, place_of, segments

_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownHead:
    """A record that was noted elsewhere: in a log, a metric, a bucket.

    Attributes:
        seq: its number.
        hash: its hash.
        source: where it was noted, for messages.
    """

    seq: int
    hash: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is looked at.

    Attributes:
        files: in order.
        is_journal: it is a whole journal's folder: begins with the first record, files have their names, and a head
            file says where it ends. Otherwise files are parts of one chain, one after the other.
        place: what the head file says; None: it is missing, or changed.
        known: records noted elsewhere.
    """

    files: tuple[Path, ...]
    is_journal: bool
    place: Place | None = None
    known: tuple[KnownHead, ...] = ()


def material_of(paths: Sequence[Path], known: Sequence[KnownHead] = ()) -> Material:
    """Find the files to look at: one folder of a journal, or any files and folders with parts of one chain.

    Raises:
        InvalidRequestError: a path is not there, or has no records.
    """
    if len(paths) == 1 and paths[0].is_dir():
        place, is_journal = _head_of(paths[0])
        files = _segments(paths[0])
        if files or is_journal:
            # The head first: a journal that is being written meanwhile only grows.
            return Material(files=tuple(files), is_journal=True, place=place, known=tuple(known))
    found = [file for path in paths for file in _files(path)]
    return Material(files=tuple(found), is_journal=False, known=tuple(known))


def known_head(text: str, *, option: str) -> KnownHead:
    """Read `SEQ:HASH`, or the path of a copy of a head file.

    Raises:
        InvalidRequestError: it is neither.
    """
    seq, _, digest = text.partition(":")
    if seq.isdecimal() and len(digest) == 64 and set(digest) <= _HEX:
        return KnownHead(seq=int(seq), hash=digest, source=option)
    path = Path(text)
    wants = "SEQ:HASH as `audit verify` prints it, or a copy of a journal's head.json"
    try:
        place = place_of(path.read_bytes())
    except OSError:
        raise InvalidRequestError(option, got=repr(text), wants=wants) from None
    if place is None:
        raise InvalidRequestError(option, got=f"{text}, which is no head file or was changed", wants=wants)
    return KnownHead(seq=place.head.seq, hash=place.head.hash, source=str(path))


def verify(material: Material) -> Report:
    """Look at every record.

    Raises:
        OSError: a file cannot be read.
    """
    walk = _Walk(material)
    if walk.is_intact():
        return Report(
            findings=(), notes=tuple(walk.notes()), records=walk.records, files=len(material.files), head=walk.head
        )
    report = diagnose(
        material.files,
        is_journal=material.is_journal,
        place=material.place,
        known=[(each.seq, each.hash, each.source) for each in material.known],
    )
    # Whatever the diagnosis makes of it: what did not fit is never called intact.
    return report if report.findings else replace(report, findings=(walk.stopped(),))


@dataclass(slots=True)
class _Walk:
    """One pass over the records, which stops at the first that does not fit."""

    material: Material
    head: Head | None = None
    first: int = 0
    records: int = 0
    unfinished: str = ""
    _at: tuple[str, int] = ("", 0)
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _sought: dict[int, str] = field(default_factory=dict)

    def is_intact(self) -> bool:
        """Whether everything fits."""
        material = self.material
        if material.is_journal and (material.place is None or not material.files):
            return material.place is not None and material.place.head.seq == 0 and not material.known
        for each in material.known:
            if self._sought.setdefault(each.seq, each.hash) != each.hash:
                return False
        return all(self._file(path, index) for index, path in enumerate(material.files)) and self._ends()

    def stopped(self) -> Finding:
        """Where it went no further."""
        file, line = self._at
        return Finding(
            problem=Problem.CHANGED, file=file or HEAD_FILE, line=line, text="does not fit what is before it"
        )

    def notes(self) -> list[str]:
        """What is not proved."""
        found = []
        if self.first > 1:
            found.append(f"begins with record {self.first}; what came before was not given")
        place, head = self.material.place, self.head
        if place is None and not self.material.known:
            found.append("whether records are missing at the end is not known: give --head, or the journal's folder")
        if place is not None and head is not None and head.seq > place.head.seq:
            found.append(f"records {place.head.seq + 1}-{head.seq} were written and not yet confirmed in {HEAD_FILE}")
        return [*found, self.unfinished] if self.unfinished else found

    def _file(self, path: Path, index: int) -> bool:
        before, self._digest = self._digest.hexdigest(), hashlib.sha256()
        offset = -1
        for number, (offset, line, whole) in enumerate(lines_of(path), start=1):
            self._at = (str(path), number)
            digest = hash_of(line) if whole else None
            if not whole and path == self.material.files[-1] and self._is_unfinished(path, offset):
                self.unfinished = unfinished_text(path.name, number)
                break
            body = parsed(line) if digest is not None else None
            if digest is None or body is None or not self._follows(body, digest):
                return False
            if self.material.is_journal and not self._in_place(body, path, index, offset, before):
                return False
            self._digest.update(line + b"\n")
            if not self._is_known(path, offset + len(line) + 1):
                return False
        return offset >= 0

    def _follows(self, body: Json, digest: str) -> bool:
        chain, seq, prev, head = body.get("chain"), body.get("seq"), body.get("prev"), self.head
        if type(seq) is not int or not isinstance(chain, str):
            return False
        if head is not None:
            fits = (chain, seq, prev) == (head.chain, head.seq + 1, head.hash)
        elif self.material.is_journal:
            fits = (seq, prev) == (1, NO_HASH)
        else:
            fits, self.first = seq >= 1, seq
        if (body.get("kind") == ChainKind.GENESIS) != (seq == 1):
            return False
        self.head = Head(chain=chain, seq=seq, hash=digest)
        self.records += 1
        return fits

    def _in_place(self, body: Json, path: Path, index: int, offset: int, before: str) -> bool:
        """Whether the record stands in the file that it was written to."""
        if (number_of(path.name) or 0) != index + 1:
            return False
        if body.get("kind") == ChainKind.GENESIS:
            return offset == 0
        if body.get("kind") != ChainKind.SEGMENT:
            return offset > 0
        details = body.get("details")
        if not isinstance(details, dict) or offset > 0:
            return False
        return (details.get("segment"), details.get("previousSha256")) == (index + 1, before)

    def _is_unfinished(self, path: Path, offset: int) -> bool:
        """Whether nobody was told that what begins here is written."""
        place = self.material.place
        return place is not None and (number_of(path.name) or 0, offset) >= (place.segment, place.size)

    def _is_known(self, path: Path, end: int) -> bool:
        head, place = self.head, self.material.place
        assert head is not None, "a record was read"
        if head.seq in self._sought and self._sought.pop(head.seq) != head.hash:
            return False
        if place is None or place.head.seq != head.seq:
            return True
        return place.head == head and (place.segment, place.size) == (number_of(path.name), end)

    def _ends(self) -> bool:
        place, head = self.material.place, self.head
        if head is None or self._sought:
            return False
        return place is None or place.head.seq <= head.seq


def _head_of(folder: Path) -> tuple[Place | None, bool]:
    try:
        return place_of((folder / HEAD_FILE).read_bytes()), True
    except FileNotFoundError:
        return None, False
    except OSError as error:
        raise _unreadable(folder / HEAD_FILE, error) from None


def _segments(folder: Path) -> list[Path]:
    try:
        return segments(folder)
    except OSError as error:
        raise _unreadable(folder, error) from None


def _files(path: Path) -> list[Path]:
    wants = "a journal's folder, or files with its records"
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InvalidRequestError(str(path), got="no such file or folder", wants=wants)
    try:
        found = segments(path) or sorted(each for each in path.rglob("*.jsonl") if each.is_file())
    except OSError as error:
        raise _unreadable(path, error) from None
    if not found:
        raise InvalidRequestError(str(path), got="a folder without .jsonl files", wants=wants)
    return found


def _unreadable(path: Path, error: OSError) -> InvalidRequestError:
    return InvalidRequestError(str(path), got=(error.strerror or str(error)).lower(), wants="what can be read")
