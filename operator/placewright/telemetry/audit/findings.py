"""What can be wrong with a journal, as values."""

from dataclasses import dataclass
from enum import StrEnum

from placewright.telemetry.audit.chain import Head


class Problem(StrEnum):
    """What is wrong with a record."""

    CHANGED = "Changed"  # its bytes do not have its hash
    MISSING = "Missing"  # later records are there
    TRUNCATED = "Truncated"  # a head knows of it, and nothing after it is there
    REORDERED = "Reordered"  # it stands at another place than it was written
    DUPLICATED = "Duplicated"  # it stands there once more
    REPLACED = "Replaced"  # it is whole, but not the one that the next record, or a head, knows
    FOREIGN = "Foreign"  # it belongs to no chain of this journal, or is no record at all
    MISPLACED = "Misplaced"  # it stands in another file than it was written to
    HEAD_CHANGED = "HeadChanged"  # head.json is missing, or does not fit the journal
    CHAIN_BROKEN = "ChainBroken"  # the operator found damage when it started and began a new chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        problem: what.
        file: path of the file.
        line: number of the line, from 1; 0: there is none.
        seq: the record's number; 0: it has none.
        last_seq: of several records that are missing together, the last; otherwise as `seq`.
        text: what was found and what should be there.
    """

    problem: Problem
    file: str
    line: int = 0
    seq: int = 0
    last_seq: int = 0
    text: str = ""

    @property
    def place(self) -> str:
        """`file:line`, or the file alone."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def records(self) -> str:
        """`record 7`, `records 7-9`, or nothing."""
        if not self.seq:
            return ""
        return f"records {self.seq}-{self.last_seq}" if self.last_seq > self.seq else f"record {self.seq}"

    def __str__(self) -> str:
        what = f"{self.records}: " if self.seq else ""
        return f"{self.place}: {self.problem}: {what}{self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a look at a journal found.

    Attributes:
        findings: what is wrong; empty: it is intact.
        notes: what is not wrong and good to know, such as what cannot be proved.
        records: that are whole.
        files: that were read.
        head: of the newest chain; None: no record.
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    records: int
    files: int
    head: Head | None

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings
