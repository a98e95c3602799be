import asyncio
import time

import pytest

from placewright.handlers.queue import CoalescingQueue


def _queue(debounce_seconds: float = 0.0) -> CoalescingQueue[str, int]:
    return CoalescingQueue(debounce_seconds=debounce_seconds)


async def _next(queue: CoalescingQueue[str, int], within: float = 2.0) -> tuple[str, int]:
    return await asyncio.wait_for(queue.get(), within)


def test_newest_value_of_a_burst_is_handed_out_once() -> None:
    async def scenario() -> None:
        queue = _queue(0.02)
        for value in range(50):
            queue.put("a", value)
        assert len(queue) == 1
        assert await _next(queue) == ("a", 49)
        assert len(queue) == 0

    asyncio.run(scenario())


def test_keys_come_in_the_order_in_which_they_were_first_put() -> None:
    async def scenario() -> None:
        queue = _queue()
        for key in ("a", "b", "a", "c"):
            queue.put(key, 0)
        assert [(await _next(queue))[0] for _ in range(3)] == ["a", "b", "c"]

    asyncio.run(scenario())


def test_a_steady_stream_of_changes_does_not_put_a_key_off() -> None:
    async def scenario() -> None:
        queue = _queue(0.05)
        began = time.monotonic()
        queue.put("a", 0)

        async def change() -> None:
            while True:
                queue.put("a", 1)
                await asyncio.sleep(0.005)

        changing = asyncio.create_task(change())
        await _next(queue)
        changing.cancel()
        assert time.monotonic() - began >= 0.05

    asyncio.run(scenario())


def test_a_key_is_never_worked_on_twice_at_once() -> None:
    async def scenario() -> None:
        queue = _queue()
        queue.put("a", 1)
        assert await _next(queue) == ("a", 1)
        queue.put("a", 2)
        queue.put("b", 1)
        assert await _next(queue) == ("b", 1)
        with pytest.raises(TimeoutError):
            await _next(queue, 0.05)
        queue.done("a")
        assert await _next(queue) == ("a", 2)

    asyncio.run(scenario())


def test_a_change_overtakes_a_retry_and_a_retry_never_replaces_a_change() -> None:
    async def scenario() -> None:
        queue = _queue()
        queue.put("a", 1, delay_seconds=60.0)
        queue.put("a", 2)
        assert await _next(queue) == ("a", 2)
        queue.put("a", 4)
        queue.put("a", 3, delay_seconds=0.0)
        queue.done("a")
        assert await _next(queue) == ("a", 4)

    asyncio.run(scenario())


def test_a_retry_waits_for_its_delay() -> None:
    async def scenario() -> None:
        queue = _queue()
        queue.put("a", 1, delay_seconds=0.05)
        assert queue.waiting_since() is None
        began = time.monotonic()
        assert await _next(queue) == ("a", 1)
        assert time.monotonic() - began >= 0.045

    asyncio.run(scenario())


def test_discarded_keys_are_not_handed_out_and_may_come_again() -> None:
    async def scenario() -> None:
        queue = _queue()
        queue.put("a", 1)
        queue.put("b", 1)
        await asyncio.sleep(0)
        queue.discard("a")
        assert not queue.waits("a")
        assert await _next(queue) == ("b", 1)
        queue.put("a", 2)
        assert await _next(queue) == ("a", 2)

    asyncio.run(scenario())


def test_waiting_since_tells_the_longest_waiting_due_key_but_not_one_in_work() -> None:
    async def scenario() -> None:
        queue = _queue()
        assert queue.waiting_since() is None
        queue.put("a", 1)
        since = queue.waiting_since()
        assert since is not None
        assert since <= time.monotonic()
        await _next(queue)
        queue.put("a", 2)
        assert queue.waiting_since() is None
        queue.done("a")
        assert queue.waiting_since() is not None

    asyncio.run(scenario())


def test_two_workers_share_the_work() -> None:
    async def scenario() -> None:
        queue, all_seen = _queue(), asyncio.Event()
        seen: list[str] = []

        async def work() -> None:
            while True:
                key, _ = await queue.get()
                await asyncio.sleep(0)
                seen.append(key)
                queue.done(key)
                if len(seen) == 200:
                    all_seen.set()

        workers = [asyncio.create_task(work()) for _ in range(2)]
        for index in range(200):
            queue.put(str(index), index)
        await asyncio.wait_for(all_seen.wait(), 5)
        for worker in workers:
            worker.cancel()
        assert sorted(seen, key=int) == [str(index) for index in range(200)]

    asyncio.run(scenario())
