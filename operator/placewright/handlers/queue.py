"""A coalescing queue: per key only the newest value waits, for a moment, and never while the key is being worked on."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Item(Generic[V]):
    value: V
    due: float
    ready: bool = False


class CoalescingQueue(Generic[K, V]):
    """Hands out (key, newest value), each key to one worker at a time, first due first.

    A burst of changes to one key becomes one piece of work: it is due `debounce_seconds` after the first of them,
    so a stream of changes cannot put it off forever.

    Args:
        debounce_seconds: how long a new key waits for more changes.
        clock: monotonic seconds; must be the clock of the running event loop.
    """

    def __init__(self, *, debounce_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._debounce_seconds = debounce_seconds
        self._clock = clock
        self._items: dict[K, _Item[V]] = {}
        self._active: set[K] = set()
        self._due: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many keys wait."""
        return len(self._items)

    def put(self, key: K, value: V, *, delay_seconds: float | None = None) -> None:
        """Queues the newest value of a key.

        Args:
            key: whose value it is.
            value: replaces one that waits, unless this is a retry.
            delay_seconds: given for a retry: when to try again; a value that waits already is newer and stays.
        """
        waiting = self._items.get(key)
        if waiting is not None and delay_seconds is not None:
            return
        due = self._clock() + (self._debounce_seconds if delay_seconds is None else delay_seconds)
        if waiting is None:
            self._items[key] = _Item(value, due)
            self._schedule(key, due)
            return
        waiting.value = value
        if due < waiting.due and not waiting.ready:  # a change overtakes a retry that was put off
            waiting.due = due
            self._schedule(key, due)

    async def get(self) -> tuple[K, V]:
        """The next key that is due and not worked on, with its newest value. `done` must follow."""
        while True:
            key = await self._ready.get()
            item = self._items.get(key)
            if item is not None and item.ready:
                del self._items[key]
                self._active.add(key)
                return key, item.value

    def done(self, key: K) -> None:
        """Ends the work on a key; a value that came meanwhile becomes due."""
        self._active.discard(key)
        item = self._items.get(key)
        if item is not None:
            self._schedule(key, item.due)

    def discard(self, key: K) -> None:
        """Forgets what waits for a key."""
        self._items.pop(key, None)

    def waits(self, key: K) -> bool:
        """Whether a value of this key waits."""
        return key in self._items

    def waiting_since(self) -> float | None:
        """Since when the longest waiting due key could have been worked on; None when none is due."""
        now = self._clock()
        due = [item.due for key, item in list(self._items.items()) if item.due <= now and key not in self._active]
        return min(due, default=None)

    def _schedule(self, key: K, due: float) -> None:
        if key in self._active:
            return  # `done` schedules it
        heapq.heappush(self._due, (due, next(self._order), key))
        if self._due[0][2] == key:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, self._due[0][0] - self._clock()), self._release)

    def _release(self) -> None:
        self._timer = None
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            due, _, key = heapq.heappop(self._due)
            item = self._items.get(key)
            if item is None or item.ready or item.due != due or key in self._active:
                continue  # discarded, or scheduled again meanwhile
            item.ready = True
            self._ready.put_nowait(key)
        if self._due:
            self._arm()
