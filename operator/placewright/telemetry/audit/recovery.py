"""What a journal's folder holds when a writer starts: where to go on, what a crash left unfinished, what is wrong."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from placewright.telemetry.audit.chain import Head
from placewright.telemetry.audit.entry import ChainKind, Json
from placewright.telemetry.audit.record import hash_of, parsed
from placewright.telemetry.audit.segments import Place, lines_of, number_of, read_place, segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A folder as it was found.

    Attributes:
        place: where to go on; None: nothing to go on from, a new chain begins.
        digest: SHA-256 so far of the file to go on in.
        torn: bytes from `place.size` on, which a write that was cut off left; they were never told to be written.
        after: of a chain that cannot be followed, its last known record and why; None: nothing is wrong.
        last_segment: number of the newest file; 0: there is none.
        is_checkpoint: whether the last record is a Checkpoint.
    """

    place: Place | None = None
    digest: "hashlib._Hash | None" = None
    torn: bytes = b""
    after: Json | None = None
    last_segment: int = 0
    is_checkpoint: bool = False


def look(folder: Path) -> Found:
    """Look at the end of a journal. Only its last file is read; `audit verify` reads all.

    Raises:
        OSError: the folder cannot be read.
    """
    files = segments(folder)
    last = number_of(files[-1].name) or 0 if files else 0
    kept = read_place(folder)
    if kept is None:
        if not files:
            return Found()
        return _broken(None, last, "head.json is missing or was changed")
    if not files:
        # A head of no records is written before the first file.
        return Found() if kept.head.seq == 0 else _broken(kept, kept.segment, "all journal files are missing")
    if last < kept.segment:
        return _broken(kept, kept.segment, f"{files[-1].name} is the last file, the head is in a later one")
    return _read(files[-1], kept, last)


def _broken(kept: Place | None, last: int, why: str) -> Found:
    after: Json = {"found": why}
    if kept is not None:
        after |= {"chain": kept.head.chain, "seq": kept.head.seq, "hash": kept.head.hash}
    return Found(after=after, last_segment=last)


def _read(path: Path, kept: Place, number: int) -> Found:
    """Read the last file; bytes behind what the head file vouches for may be the unfinished end of a write."""
    vouched = kept.size if number == kept.segment else 0
    digest, size, torn = hashlib.sha256(), 0, b""
    head: Head | None = None
    newest = b""
    for offset, line, whole in lines_of(path):
        after = head
        head = _record(line, after, kept, next_file=number != kept.segment) if whole else None
        if head is None:
            if offset < vouched:
                return _broken(kept, number, f"{path.name}: the record at byte {offset} was changed or cut off")
            torn = path.read_bytes()[offset:]
            head = after
            break
        digest.update(line + b"\n")
        size = offset + len(line) + 1
        newest = line
        if head.seq == kept.head.seq and head != kept.head and head.chain == kept.head.chain:
            return _broken(kept, number, f"{path.name}: record {head.seq} is not the one that head.json knows")
    if head is None:
        return _broken(kept, number, f"{path.name} has no record")
    if size < vouched or (head.chain == kept.head.chain and head.seq < kept.head.seq):
        return _broken(kept, number, f"{path.name} ends at record {head.seq}, head.json knows {kept.head.seq}")
    place = Place(head=head, segment=number, size=size)
    checkpoint = (parsed(newest) or {}).get("kind") == ChainKind.CHECKPOINT
    return Found(place=place, digest=digest, torn=torn, last_segment=number, is_checkpoint=checkpoint)


def _record(line: bytes, after: Head | None, kept: Place, *, next_file: bool) -> Head | None:
    """Return the head after this line; None: it is no record, or does not follow.

    Args:
        line: without its end.
        after: the head before it; None: it is the first of the file.
        kept: what the head file says.
        next_file: the head file was not told of this file any more: it must begin right after its head.
    """
    digest = hash_of(line)
    body = parsed(line) if digest is not None else None
    if digest is None or body is None:
        return None
    chain, seq, prev = body.get("chain"), body.get("seq"), body.get("prev")
    if not isinstance(chain, str) or type(seq) is not int:
        return None
    if after is None:
        follows = (seq, prev) == (kept.head.seq + 1, kept.head.hash) or not next_file
        fits = (chain == kept.head.chain and follows) or _begins_after(body, kept.head)
    else:
        fits = chain == after.chain and seq == after.seq + 1 and prev == after.hash
    return Head(chain=chain, seq=seq, hash=digest) if fits else None


def _begins_after(body: Json, head: Head) -> bool:
    """Whether this is the Genesis of a chain that took over from the one of the head file, which was not replaced."""
    details = body.get("details")
    after = details.get("after") if isinstance(details, dict) else None
    if body.get("kind") != ChainKind.GENESIS or not isinstance(after, dict):
        return False
    return (after.get("chain"), after.get("seq"), after.get("hash")) == (head.chain, head.seq, head.hash)
