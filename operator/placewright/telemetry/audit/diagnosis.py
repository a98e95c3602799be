"""What is wrong with a journal that is not intact: which record was changed, left out, moved, added.

All records are in memory here. What is right is decided by majority of evidence: a record whose bytes have its hash is
what somebody wrote; of two with one number that one is of the chain which its neighbours know.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from placewright.telemetry.audit import layout
from placewright.telemetry.audit.chain import Head
from placewright.telemetry.audit.entry import ChainKind
from placewright.telemetry.audit.findings import Finding, Problem, Report
from placewright.telemetry.audit.layout import Row, rows_of
from placewright.telemetry.audit.record import NO_HASH
from placewright.telemetry.audit.segments import HEAD_FILE, Place

Known = tuple[int, str, str]
"""Number and hash of a record, and who knows them."""


@dataclass(slots=True)
class _Chain:
    """What belongs to one chain."""

    id: str
    rows: list[Row] = field(default_factory=list)  # whole records, in the order in which they stand
    bad: list[Row] = field(default_factory=list)  # among them what is no whole record
    known: list[Known] = field(default_factory=list)
    by_seq: dict[int, Row] = field(default_factory=dict)
    in_order: list[Row] = field(default_factory=list)
    changed: set[int] = field(default_factory=set)


def diagnose(files: Sequence[Path], *, is_journal: bool, place: Place | None, known: Sequence[Known]) -> Report:
    """Say what is wrong, in the order of the files.

    Args:
        files: in order.
        is_journal: a whole journal's folder; see `verify.Material`.
        place: what the head file says; None: it is missing or changed, or there is none to be.
        known: records noted elsewhere.

    Raises:
        OSError: a file cannot be read.
    """
    rows, notes = layout.without_unfinished(rows_of(files), place if is_journal else None)
    findings: list[Finding] = []
    chains, foreign = _chains(rows, is_journal=is_journal)
    findings += [_foreign(row) for row in foreign]
    findings += _breaks(chains)
    findings += _assign_heads(chains, files, is_journal=is_journal, place=place, known=known)
    for number, chain in enumerate(chains):
        findings += _of_chain(chain, whole=is_journal or number > 0, files=files)
    if is_journal:
        blamed = {(finding.file, finding.line) for finding in findings}
        findings += layout.misplaced(rows, files, blamed)
    order = {str(path): index for index, path in enumerate(files)}
    findings.sort(key=lambda each: (order.get(each.file, len(order)), each.line, each.seq))
    whole = sum(len(chain.by_seq) for chain in chains)
    return Report(findings=tuple(findings), notes=tuple(notes), records=whole, files=len(files), head=_head(chains))


def _head(chains: Sequence[_Chain]) -> Head | None:
    if not chains or not chains[-1].by_seq:
        return None
    last = chains[-1].by_seq[max(chains[-1].by_seq)]
    return Head(chain=last.chain, seq=last.seq, hash=last.hash)


def _chains(rows: Sequence[Row], *, is_journal: bool) -> tuple[list[_Chain], list[Row]]:
    """Part the rows into the chains of this journal, and what is of none."""
    counts = Counter(row.chain for row in rows if row.ok)
    ids = [row.chain for row in rows if row.ok and row.kind == ChainKind.GENESIS and row.line == 1 and row.after]
    first = _first_chain(rows, counts, is_journal=is_journal)
    chains = {each: _Chain(id=each) for each in dict.fromkeys([*first, *ids])}
    foreign: list[Row] = []
    current = next(iter(chains.values()), None)
    for row in rows:
        if row.ok and row.chain in chains:
            current = chains[row.chain]
            current.rows.append(row)
        elif row.ok or current is None:
            foreign.append(row)
        else:
            current.bad.append(row)
    return list(chains.values()), foreign


def _first_chain(rows: Sequence[Row], counts: Counter[str], *, is_journal: bool) -> list[str]:
    """The chain that the material begins with: that of most records before another chain takes over."""
    if is_journal:
        taken = {row.chain for row in rows if row.ok and row.after}
        counts = Counter({each: count for each, count in counts.items() if each not in taken}) or counts
    return [max(counts, key=lambda each: counts[each])] if counts else []


def _breaks(chains: Iterable[_Chain]) -> list[Finding]:
    """Genesis records of chains that took over from a damaged one; the old chain's end is known from them."""
    by_id = {chain.id: chain for chain in chains}
    found = []
    for chain in by_id.values():
        for row in chain.rows:
            if not row.after:
                continue
            text = f"a new chain begins, since the operator found: {row.after.get('found')}"
            found.append(_finding(Problem.CHAIN_BROKEN, row, text))
            old, seq, digest = (row.after.get(name) for name in ("chain", "seq", "hash"))
            if isinstance(old, str) and old in by_id and isinstance(seq, int) and isinstance(digest, str):
                by_id[old].known.append((seq, digest, f"{row.file.name}:{row.line}"))
    return found


def _assign_heads(
    chains: Sequence[_Chain], files: Sequence[Path], *, is_journal: bool, place: Place | None, known: Sequence[Known]
) -> list[Finding]:
    """Give each chain what is known of its end; a head of no chain is at fault itself."""
    found: list[Finding] = []
    if chains:
        chains[-1].known.extend(known)
    if not is_journal:
        return found
    folder = files[0].parent if files else Path()
    path = str(folder / HEAD_FILE)
    if place is None:
        return [Finding(problem=Problem.HEAD_CHANGED, file=path, text=f"{HEAD_FILE} is missing or was changed")]
    for chain in chains:
        if chain.id == place.head.chain:
            chain.known.append((place.head.seq, place.head.hash, HEAD_FILE))
            at = next((row for row in chain.rows if row.seq == place.head.seq), None)
            if at is not None and (at.number, at.end) != (place.segment, place.size) and at.hash == place.head.hash:
                text = f"says that record {at.seq} ends at byte {place.size} of file {place.segment}, not here"
                found.append(_finding(Problem.HEAD_CHANGED, at, text))
            return found
    if place.head.seq == 0 and not files:
        return found  # a journal that is about to begin
    text = f"is of the chain {place.head.chain}, of which no record is there"
    seq = 1 if not chains and place.head.seq else 0
    problem = Problem.TRUNCATED if seq else Problem.HEAD_CHANGED
    return [Finding(problem=problem, file=path, seq=seq, last_seq=place.head.seq if seq else 0, text=text)]


def _of_chain(chain: _Chain, *, whole: bool, files: Sequence[Path]) -> list[Finding]:
    found = _chosen(chain)
    found += _reordered(chain)
    missing = _absent(chain, whole=whole)
    found += _changed(chain, missing)
    found += _gaps(chain, sorted(missing), files)
    found += _links(chain)
    return found


def _chosen(chain: _Chain) -> list[Finding]:
    """Choose for each number the record of the chain, and name the others."""
    found: list[Finding] = []
    by_seq: dict[int, list[Row]] = {}
    for row in chain.rows:
        by_seq.setdefault(row.seq, []).append(row)
    for seq, rows in by_seq.items():
        best = max(rows, key=lambda row: (_support(row, by_seq), row.follows == seq - 1, -rows.index(row)))
        chain.by_seq[seq] = best
        for row in rows:
            if row is best:
                continue
            if row.hash == best.hash:
                found.append(_finding(Problem.DUPLICATED, row, f"stands at {best.place} already"))
            else:
                text = f"is not of the chain, whose record {seq} stands at {best.place}"
                found.append(_finding(Problem.FOREIGN, row, text))
    return found


def _support(row: Row, by_seq: dict[int, list[Row]]) -> int:
    """How many neighbours know this record."""
    after = any(other.prev == row.hash for other in by_seq.get(row.seq + 1, ()))
    before = row.prev == NO_HASH if row.seq == 1 else any(o.hash == row.prev for o in by_seq.get(row.seq - 1, ()))
    return 2 * after + before


def _reordered(chain: _Chain) -> list[Finding]:
    """Name the fewest records that must be moved for the others to stand in order."""
    rows = [row for row in chain.rows if chain.by_seq[row.seq] is row]
    kept = {id(row) for row in _longest_ascending(rows)}
    chain.in_order = [row for row in rows if id(row) in kept]
    return [
        _finding(Problem.REORDERED, row, f"stands after record {row.follows}" if row.follows else "stands first")
        for row in rows
        if id(row) not in kept
    ]


def _longest_ascending(rows: Sequence[Row]) -> list[Row]:
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for index, row in enumerate(rows):
        length = bisect_left(tails, row.seq)
        before.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [row.seq]
        ends[length : length + 1] = [index]
    found: list[Row] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        found.append(rows[index])
        index = before[index]
    return found[::-1]


def _absent(chain: _Chain, *, whole: bool) -> set[int]:
    """Numbers of records that should be there and are not whole."""
    ends = [seq for seq, _, _ in chain.known]
    last = max([*chain.by_seq, *ends], default=0)
    first = 1 if whole or not chain.by_seq else min(chain.by_seq)
    if not whole and chain.bad and chain.rows:
        # The first of a part may itself be the changed one.
        before = sum(1 for row in chain.bad if row.position < chain.rows[0].position)
        first = max(1, first - before)
    return set(range(first, last + 1)) - set(chain.by_seq)


def _changed(chain: _Chain, missing: set[int]) -> list[Finding]:
    """Name the records that broken lines were; each takes a missing number out of `missing`."""
    found = []
    ordered = sorted(chain.bad, key=lambda row: row.position)
    positions = [row.position for row in chain.in_order]
    for row in ordered:
        index = bisect_left(positions, row.position)
        low = chain.in_order[index - 1].seq if index else 0
        high = chain.in_order[index].seq if index < len(positions) else None
        seq = _number(row, low, high, chain, missing)
        if seq is None:
            found.append(_finding(Problem.FOREIGN, row, "is no record"))
            continue
        missing.discard(seq)
        chain.changed.add(seq)
        cut = "" if row.whole else "; the line is cut off"
        text = f"its bytes do not have its hash{cut}"
        found.append(
            Finding(problem=Problem.CHANGED, file=str(row.file), line=row.line, seq=seq, last_seq=seq, text=text)
        )
    return found


def _number(row: Row, low: int, high: int | None, chain: _Chain, missing: set[int]) -> int | None:
    """Which record a broken line was: what it says itself where that fits, otherwise the next that is missing."""
    if row.seq in missing:
        return row.seq
    seq = low + 1
    while seq in chain.changed:
        seq += 1
    if seq in missing:
        return seq
    if high is None and seq not in chain.by_seq:
        return seq  # after the last record that anybody knows of
    return None


def _gaps(chain: _Chain, missing: Sequence[int], files: Sequence[Path]) -> list[Finding]:
    found = []
    last_there = max([*chain.by_seq, *chain.changed], default=0)
    for first, last in _ranges(missing):
        before = next((row for row in reversed(chain.in_order) if row.seq < first), None)
        file, line = (str(before.file), before.line) if before else (str(files[0]) if files else HEAD_FILE, 0)
        where = f"after record {before.seq}" if before else "at the beginning"
        if first > last_there:
            source = next((source for seq, _, source in chain.known if seq >= last), HEAD_FILE)
            problem, text = Problem.TRUNCATED, f"cut off {where}; {source} knows of record {last}"
        else:
            problem, text = Problem.MISSING, f"left out {where}"
        found.append(Finding(problem=problem, file=file, line=line, seq=first, last_seq=last, text=text))
    return found


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _links(chain: _Chain) -> list[Finding]:
    """Name whole records that their successor, or a head, does not know."""
    found = []
    for seq, row in sorted(chain.by_seq.items()):
        after = chain.by_seq.get(seq + 1)
        known = next((source for number, digest, source in chain.known if number == seq and digest != row.hash), None)
        if after is not None and after.prev != row.hash:
            text = f"record {seq + 1} at {after.place} follows another one"
            found.append(_finding(Problem.REPLACED, row, text))
        elif known is not None:
            found.append(_finding(Problem.REPLACED, row, f"{known} knows another one"))
        if seq == 1 and (row.prev != NO_HASH or row.kind != ChainKind.GENESIS):
            found.append(_finding(Problem.REPLACED, row, "the first record of a chain is a Genesis"))
    return found


def _foreign(row: Row) -> Finding:
    text = f"belongs to the chain {row.chain}, not to this journal" if row.ok else "is no record"
    return _finding(Problem.FOREIGN, row, text)


def _finding(problem: Problem, row: Row, text: str) -> Finding:
    return Finding(problem=problem, file=str(row.file), line=row.line, seq=row.seq, last_seq=row.seq, text=text)
