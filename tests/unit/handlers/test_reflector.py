import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from placewright.handlers.reflector import Reading, Reflector
from placewright.kube.client import NODES, UnreachableError
from tests.support.fleet_api import FakeApi, node, refusal
from tests.support.fleet_subject import until
from tests.support.requests import Json


def gpus(item: Json) -> int | None:
    """What is kept of a Node here: its GPUs, nothing of one without."""
    return int(item["status"]["allocatable"]["nvidia.com/gpu"]) or None


class Subject:
    def __init__(self) -> None:
        self.api = FakeApi()
        self.told = 0
        self.reflector: Reflector[int] = Reflector(NODES, self.api, trim=gpus, changed=self.changed, resync_seconds=0.1)

    def changed(self) -> None:
        self.told += 1

    def kept(self) -> list[int]:
        return sorted(self.reflector.objects())


def play(scenario: Callable[[Subject], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        subject = Subject()
        subject.api.put("nodes", node("a", pool="p", gpus=4))
        reading = asyncio.create_task(subject.reflector.run())
        try:
            await scenario(subject)
            assert not reading.done()
        finally:
            reading.cancel()

    asyncio.run(run())


def test_it_lists_then_watches_and_tells_only_what_matters() -> None:
    async def scenario(subject: Subject) -> None:
        await subject.reflector.known()
        assert subject.kept() == [4]
        assert subject.reflector.get("a") == 4
        assert subject.reflector.get("b") is None
        subject.api.put("nodes", node("b", pool="p", gpus=8))
        await until(lambda: subject.kept() == [4, 8])
        told = subject.told
        subject.api.put("nodes", node("b", pool="another", gpus=8))  # nothing that is kept
        subject.api.put("nodes", node("none", pool="p", gpus=0))
        subject.api.remove("nodes", "a")
        await until(lambda: subject.kept() == [8])
        assert subject.told == told + 1

    play(scenario)


def test_a_list_finds_what_the_watch_did_not_tell() -> None:
    async def scenario(subject: Subject) -> None:
        await subject.reflector.known()
        subject.api.silent.add("nodes")
        subject.api.remove("nodes", "a")
        subject.api.put("nodes", node("b", pool="p", gpus=8))
        await until(lambda: subject.kept() == [8], "the next LIST")

    play(scenario)


def test_an_object_made_again_under_its_name_outlives_the_end_of_the_first() -> None:
    async def scenario(subject: Subject) -> None:
        await subject.reflector.known()
        old = subject.api.remove("nodes", "a")
        subject.api.put("nodes", node("a", pool="p", gpus=2))
        await until(lambda: subject.kept() == [2])
        assert not subject.reflector.take(old)
        assert subject.kept() == [2]

    play(scenario)


def test_a_part_that_is_read_anew_forgets_only_what_it_covers() -> None:
    async def scenario(subject: Subject) -> None:
        subject.api.put("nodes", node("b", pool="p", gpus=8))
        await subject.reflector.known()
        subject.api.silent.add("nodes")
        subject.api.remove("nodes", "a")
        subject.api.remove("nodes", "b")
        await subject.reflector.refresh("", lambda kept: kept == 8)
        assert subject.kept() == [4]

    play(scenario)


def test_a_right_that_is_missing_keeps_what_was_seen_and_says_why() -> None:
    async def scenario(subject: Subject) -> None:
        await subject.reflector.known()
        subject.api.faults["nodes"] = refusal(403, "Forbidden")
        await until(lambda: subject.reflector.reading is Reading.REFUSED)
        assert subject.kept() == [4]
        assert subject.reflector.fault.startswith("nodes may not be read: ")
        assert "403 Forbidden" in subject.reflector.fault

    play(scenario)


def test_a_kind_that_is_not_served_has_no_objects() -> None:
    async def scenario(subject: Subject) -> None:
        await subject.reflector.known()
        subject.api.faults["nodes"] = refusal(404, "NotFound")
        await until(lambda: subject.reflector.reading is Reading.ABSENT)
        assert subject.kept() == []

    play(scenario)


def test_a_server_that_is_away_changes_nothing_and_is_asked_again() -> None:
    async def scenario(subject: Subject) -> None:
        await subject.reflector.known()
        told = subject.told
        subject.api.faults["nodes"] = UnreachableError("down")
        await until(lambda: "down" in subject.reflector.fault)
        assert (subject.kept(), subject.reflector.reading, subject.told) == ([4], Reading.FRESH, told)
        del subject.api.faults["nodes"]
        subject.api.put("nodes", node("b", pool="p", gpus=8))
        await until(lambda: subject.kept() == [4, 8])
        assert subject.reflector.fault == ""

    play(scenario)
