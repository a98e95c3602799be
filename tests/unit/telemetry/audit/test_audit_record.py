"""One record: canonical bytes, its hash, and entries of any content."""

import hashlib
import json
import math
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import pytest

from placewright.telemetry.audit import Entry, EntryKind
from placewright.telemetry.audit.chain import Head, follow, genesis, new_chain
from placewright.telemetry.audit.record import NO_HASH, body_of, hash_of, parsed, sealed, timestamp
from tests.support.audit_journals import at, decision


def test_a_line_is_sorted_json_without_spaces_and_its_hash_is_last() -> None:
    line, head = follow(Head(chain="c", seq=6, hash="a" * 64), body_of(decision(7)), at(3))
    body = json.loads(line.data)

    assert list(body)[-1] == "hash"
    assert list(body)[:-1] == sorted(body.keys() - {"hash"})
    assert b" " not in line.data.replace(b"plan 7", b"")
    assert (body["seq"], body["prev"], body["chain"]) == (7, "a" * 64, "c")
    assert body["time"] == "2026-11-21T10:00:03.000000Z"
    assert head == Head(chain="c", seq=7, hash=body["hash"])


def test_the_hash_can_be_checked_with_sha256sum() -> None:
    line, _ = follow(new_chain(), genesis(), at(0))
    without = line.data[: line.data.rindex(b',"hash":"')] + b"}"

    assert hashlib.sha256(without).hexdigest() == line.hash == hash_of(line.data)
    assert json.loads(line.data)["prev"] == NO_HASH


@pytest.mark.parametrize("line", [b"", b"{}", b"null", b'{"hash":"' + b"0" * 64 + b'"}', b"\xff" * 80])
def test_what_is_no_record_has_no_hash(line: bytes) -> None:
    assert hash_of(line) is None


def test_what_is_empty_is_left_out() -> None:
    assert body_of(Entry(kind=EntryKind.REAP, name="chat")) == {"kind": "Reap", "name": "chat"}
    assert body_of(Entry(kind=EntryKind.MOVE, old_cost_per_hour=0.0))["oldCostPerHour"] == 0.0


@pytest.mark.parametrize("cost", [math.nan, math.inf, -math.inf])
def test_a_cost_that_is_no_number_is_no_cost(cost: float) -> None:
    assert "newCostPerHour" not in body_of(Entry(kind=EntryKind.MOVE, new_cost_per_hour=cost))


class Odd:
    def __str__(self) -> str:
        return "odd"


@pytest.mark.parametrize(
    ("details", "kept"),
    [
        ({"a": math.nan, "b": [math.inf, 1]}, {"a": "nan", "b": ["inf", 1]}),
        ({"a": Odd()}, {"a": "odd"}),
        ({1: "x", "b": 2}, {"1": "x", "b": 2}),
        (MappingProxyType({"a": (1, 2)}), {"a": [1, 2]}),
        ({"a": b"x", "t": {3}}, {"a": "b'x'", "t": "{3}"}),
        ({"text": "\ud800 \u2028 é"}, {"text": "\ud800 \u2028 é"}),
    ],
)
def test_details_of_any_content_become_a_record(details: dict[str, object], kept: dict[str, object]) -> None:
    line, _ = follow(new_chain(), body_of(Entry(kind=EntryKind.DECISION, details=details)), at(0))
    record = parsed(line.data)

    assert record is not None
    assert record["details"] == kept
    assert hash_of(line.data) == line.hash
    assert b"\n" not in line.data


def test_details_without_end_become_a_record() -> None:
    endless: dict[str, object] = {}
    endless["again"] = endless

    line = sealed({**body_of(Entry(kind=EntryKind.DECISION, details=endless)), "seq": 1})

    assert hash_of(line.data) == line.hash


def test_times_are_utc() -> None:
    there = timezone(timedelta(hours=5, minutes=30))

    assert timestamp(datetime(2026, 11, 21, 15, 30, tzinfo=there)) == "2026-11-21T10:00:00.000000Z"
    assert timestamp(datetime(2026, 11, 21, 10, 0, 0, 5, tzinfo=UTC)) == "2026-11-21T10:00:00.000005Z"


def test_chains_have_random_ids() -> None:
    assert new_chain().chain != new_chain().chain
    assert len(new_chain().chain) == 32
