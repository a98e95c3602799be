import asyncio
from collections.abc import AsyncIterator

import pytest

from placewright.handlers.cache import ObjectCache
from placewright.handlers.intake import Intake
from placewright.handlers.queue import CoalescingQueue
from placewright.kube.client import UnreachableError
from placewright.telemetry.views import Key
from tests.support.requests import Json, stored

DECIDED = {"observedGeneration": 1}


class FakeCluster:
    def __init__(self, *resources: Json) -> None:
        self.resources = list(resources)
        self.fail = False

    async def list_requests(self, namespace: str | None) -> AsyncIterator[Json]:
        if self.fail:
            raise UnreachableError("down")
        for resource in self.resources:
            if namespace is None or resource["metadata"]["namespace"] == namespace:
                yield resource


class Subject:
    def __init__(self) -> None:
        self.now = 100.0
        self.cache = ObjectCache()
        self.queue: CoalescingQueue[Key, Json] = CoalescingQueue(debounce_seconds=0.0)
        self.superseded: list[Key] = []
        self.intake = Intake(
            cache=self.cache,
            queue=self.queue,
            supersede=self.superseded.append,
            clock=lambda: self.now,
            wall_clock=lambda: 1e9 + self.now,
        )

    async def resynced(self, cluster: FakeCluster, namespaces: tuple[str, ...] = ()) -> None:
        self.now += 10.0
        await self.intake.resync(cluster, namespaces)


def test_a_new_object_is_queued_and_a_settled_one_is_not() -> None:
    async def scenario() -> None:
        subject = Subject()
        subject.cache.settle(stored("done", status=DECIDED), 1.0)
        subject.intake.on_watch_event("ADDED", stored("new"))
        subject.intake.on_watch_event("MODIFIED", stored("done", version=11, status=DECIDED, labels={"a": "b"}))
        assert subject.queue.waits(("serving", "new"))
        assert not subject.queue.waits(("serving", "done"))
        assert subject.intake.watch_event_at == 100.0
        assert subject.intake.watch_event_unix == 1e9 + 100.0

    asyncio.run(scenario())


@pytest.mark.parametrize("change", [{"generation": 2}, {"uid": "u-2"}])
def test_a_new_spec_or_successor_supersedes_work_in_progress(change: Json) -> None:
    async def scenario() -> None:
        subject = Subject()
        subject.intake.on_watch_event("ADDED", stored())
        subject.intake.on_watch_event("MODIFIED", stored(version=11))
        assert subject.superseded == []
        subject.intake.on_watch_event("MODIFIED", stored(version=12, **change))
        assert subject.superseded == [("serving", "chat")]

    asyncio.run(scenario())


def test_a_deletion_forgets_everything_but_not_a_successor() -> None:
    async def scenario() -> None:
        subject = Subject()
        subject.intake.on_watch_event(None, stored())
        subject.intake.on_watch_event("DELETED", stored(uid="older"))
        assert subject.queue.waits(("serving", "chat"))
        subject.intake.on_watch_event("DELETED", stored())
        assert not subject.queue.waits(("serving", "chat"))
        assert subject.cache.views() == ()
        assert subject.superseded == [("serving", "chat")]

    asyncio.run(scenario())


def test_old_news_is_no_news() -> None:
    async def scenario() -> None:
        subject = Subject()
        subject.cache.settle(stored(version=20, status=DECIDED), 1.0)
        subject.intake.on_watch_event("MODIFIED", stored(version=19))
        assert not subject.queue.waits(("serving", "chat"))

    asyncio.run(scenario())


def test_list_finds_what_the_watch_lost() -> None:
    async def scenario() -> None:
        subject = Subject()
        await subject.resynced(FakeCluster(stored("kept"), stored("lost")))
        assert subject.intake.list_found_changes_at is None  # the first LIST is how everything begins
        await subject.resynced(FakeCluster(stored("kept"), stored("missed")))
        assert {view.name for view in subject.cache.views()} == {"kept", "missed"}
        assert subject.queue.waits(("serving", "missed"))
        assert not subject.queue.waits(("serving", "lost"))
        assert subject.intake.list_found_changes_at == 120.0

    asyncio.run(scenario())


def test_list_without_news_finds_nothing_and_a_failed_one_forgets_nothing() -> None:
    async def scenario() -> None:
        subject, cluster = Subject(), FakeCluster(stored())
        await subject.resynced(cluster)
        await subject.resynced(cluster)
        assert subject.intake.list_found_changes_at is None
        cluster.fail = True
        with pytest.raises(UnreachableError):
            await subject.resynced(cluster)
        assert len(subject.cache.views()) == 1
        assert subject.intake.list_ok_at == 120.0

    asyncio.run(scenario())


def test_list_reminds_of_what_was_never_settled() -> None:
    async def scenario() -> None:
        subject, cluster = Subject(), FakeCluster(stored("lost"), stored("done", status=DECIDED))
        subject.cache.settle(stored("done", status=DECIDED), 1.0)
        await subject.resynced(cluster)
        subject.queue.discard(("serving", "lost"))  # as if its work had ended in nothing
        await subject.resynced(cluster)
        assert subject.queue.waits(("serving", "lost"))
        assert not subject.queue.waits(("serving", "done"))
        assert subject.intake.list_found_changes_at is None

    asyncio.run(scenario())


def test_namespaced_lists_say_nothing_of_other_namespaces() -> None:
    async def scenario() -> None:
        subject = Subject()
        subject.intake.on_watch_event("ADDED", stored("far", namespace="elsewhere"))
        await subject.resynced(FakeCluster(stored(), stored("far", namespace="elsewhere")), ("serving",))
        assert {view.name for view in subject.cache.views()} == {"far", "chat"}

    asyncio.run(scenario())
