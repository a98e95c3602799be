"""The chain: which record comes next, and where the chain ends now. Pure but for the ids of new chains."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from placewright.telemetry.audit.entry import ChainKind, Json
from placewright.telemetry.audit.record import NO_HASH, Line, sealed, timestamp

FORMAT: Final = 1
"""Version of the format, in every Genesis record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of a chain: with it kept elsewhere, a shorter journal is seen to be shorter.

    Attributes:
        chain: id of the chain.
        seq: number of its last record; 0: none yet.
        hash: of its last record.
    """

    chain: str
    seq: int = 0
    hash: str = NO_HASH

    def __str__(self) -> str:
        """As `audit verify --head` takes it."""
        return f"{self.seq}:{self.hash}"


def new_chain() -> Head:
    """Return the head of a chain without records; its id is random, so that no two journals share one."""
    return Head(chain=secrets.token_hex(16))


def follow(head: Head, body: Mapping[str, Any], moment: datetime) -> tuple[Line, Head]:
    """Return the next record, and the head after it."""
    seq = head.seq + 1
    line = sealed({**body, "seq": seq, "time": timestamp(moment), "chain": head.chain, "prev": head.hash})
    return line, Head(chain=head.chain, seq=seq, hash=line.hash)


def genesis(after: Mapping[str, Any] | None = None) -> Json:
    """Return the body of the first record of a chain.

    Args:
        after: what was found of an earlier chain that cannot be followed: its head and why.
    """
    details: Json = {"format": FORMAT}
    return {"kind": str(ChainKind.GENESIS), "details": details | ({"after": dict(after)} if after else {})}


def segment(number: int, previous: str, sha256: str) -> Json:
    """Return the body of the first record of a further file.

    Args:
        number: of the file.
        previous: name of the file before.
        sha256: of that file's bytes.
    """
    return {
        "kind": str(ChainKind.SEGMENT),
        "details": {"segment": number, "previous": previous, "previousSha256": sha256},
    }


def checkpoint(head: Head) -> Json:
    """Return the body of a record that says how many there are before it."""
    return {"kind": str(ChainKind.CHECKPOINT), "details": {"records": head.seq, "head": head.hash}}


def gap(count: int, first: str, last: str) -> Json:
    """Return the body of a record that says how many entries could not be kept, and when."""
    message = f"{count} entries were not kept: the queue was full while the journal could not be written"
    details = {"count": count, "first": first, "last": last}
    return {"kind": str(ChainKind.GAP), "reason": "QueueFull", "message": message, "details": details}
