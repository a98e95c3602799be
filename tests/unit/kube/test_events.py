import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from placewright.kube.client import UnreachableError
from placewright.kube.events import EventRecorder, TokenBucket, Transition, event_body


class FakeEvents:
    def __init__(self, *, fail_first: bool = False) -> None:
        self.posted: list[tuple[str, Mapping[str, Any]]] = []
        self.changed = asyncio.Condition()
        self._fail = fail_first

    async def create_event(self, namespace: str, body: Mapping[str, Any]) -> None:
        if self._fail:
            self._fail = False
            raise UnreachableError("down")
        async with self.changed:
            self.posted.append((namespace, body))
            self.changed.notify_all()


def _transition(name: str = "chat", *, warning: bool = False) -> Transition:
    return Transition(
        namespace="serving", name=name, uid="u-1", warning=warning, reason="PlanCurrent", message="16 GPUs, $2.31/M"
    )


def _bucket(burst: int) -> TokenBucket:
    return TokenBucket(per_second=0.0, burst=burst, clock=lambda: 0.0)


async def _settle(recorder: EventRecorder, until: int, events: FakeEvents) -> None:
    task = asyncio.create_task(recorder.run())
    async with asyncio.timeout(60), events.changed:
        await events.changed.wait_for(lambda: len(events.posted) >= until)
    task.cancel()


def test_events_are_posted_in_order_in_the_background() -> None:
    async def scenario() -> None:
        events = FakeEvents()
        recorder = EventRecorder(events, bucket=_bucket(10))
        recorder.record(_transition("a"))
        recorder.record(_transition("b"))
        assert events.posted == []
        await _settle(recorder, 2, events)
        assert [body["involvedObject"]["name"] for _, body in events.posted] == ["a", "b"]

    asyncio.run(scenario())


def test_what_comes_too_fast_is_left_out_and_counted() -> None:
    async def scenario() -> None:
        recorder = EventRecorder(FakeEvents(), bucket=_bucket(3))
        for _ in range(10):
            recorder.record(_transition())
        assert recorder.left_out == 7

    asyncio.run(scenario())


def test_a_slow_server_bounds_what_waits() -> None:
    async def scenario() -> None:
        recorder = EventRecorder(FakeEvents(), bucket=_bucket(1000), capacity=5)
        for _ in range(10):
            recorder.record(_transition())
        assert recorder.left_out == 5

    asyncio.run(scenario())


def test_a_failed_post_does_not_end_the_recorder() -> None:
    async def scenario() -> None:
        events = FakeEvents(fail_first=True)
        recorder = EventRecorder(events, bucket=_bucket(10))
        recorder.record(_transition("a"))
        recorder.record(_transition("b"))
        await _settle(recorder, 1, events)
        assert events.posted[0][1]["involvedObject"]["name"] == "b"

    asyncio.run(scenario())


def test_bucket_refills_with_time_up_to_its_burst() -> None:
    now = [0.0]
    bucket = TokenBucket(per_second=2.0, burst=3, clock=lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_event_names_the_object_its_reason_and_its_kind() -> None:
    body = event_body(_transition(warning=True), datetime(2026, 11, 21, 10, tzinfo=UTC))
    assert body["type"] == "Warning"
    assert body["reason"] == "PlanCurrent"
    assert body["firstTimestamp"] == "2026-11-21T10:00:00Z"
    assert body["involvedObject"]["uid"] == "u-1"
    assert body["metadata"]["generateName"] == "chat."
