"""Kubernetes Events on transitions: posted in the background, bounded in rate and in number, never waited for."""

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from placewright.api.base import API_VERSION
from placewright.kube.client import ApiError, Json, UnreachableError

log = logging.getLogger(__name__)

_COMPONENT = "placewright"
_MESSAGE_LIMIT = 1000  # the API server refuses notes over 1 KiB


class EventTransport(Protocol):
    """The seam: what posting needs of the API server (`KubeClient` is one)."""

    async def create_event(self, namespace: str, body: Mapping[str, Any]) -> None:
        """Creates one Event."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """Something a user would want to see in `kubectl describe`."""

    namespace: str
    name: str
    uid: str
    warning: bool
    reason: str  # the condition's reason
    message: str


class TokenBucket:
    """Lets `burst` pass at once and `per_second` after that.

    Args:
        per_second: refill.
        burst: the most that can be saved up.
        clock: monotonic seconds.
    """

    def __init__(self, *, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._saved = float(burst)
        self._at = clock()

    def take(self) -> bool:
        """Whether one more may pass now."""
        now = self._clock()
        self._saved = min(self._burst, self._saved + (now - self._at) * self._per_second)
        self._at = now
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True


class EventRecorder:
    """Posts transitions one by one; what comes too fast is left out and counted, since the status says it all.

    Args:
        transport: the API server.
        bucket: bounds the rate.
        capacity: the most that may wait while the server is slow.
    """

    def __init__(self, transport: EventTransport, *, bucket: TokenBucket, capacity: int = 100) -> None:
        self._transport = transport
        self._bucket = bucket
        self._waiting: deque[Transition] = deque()
        self._capacity = capacity
        self._wake = asyncio.Event()
        self.left_out = 0

    def record(self, transition: Transition) -> None:
        """Queues one Event, or leaves it out when there are too many. Never blocks."""
        if len(self._waiting) >= self._capacity or not self._bucket.take():
            self.left_out += 1
            return
        self._waiting.append(transition)
        self._wake.set()

    async def run(self) -> None:
        """Posts until cancelled."""
        told = 0
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), timeout=30.0)
            self._wake.clear()
            while self._waiting:
                await self._post(self._waiting.popleft())
            if self.left_out > told:
                log.warning("Events left out to spare the API server", extra={"count": self.left_out - told})
                told = self.left_out

    async def _post(self, transition: Transition) -> None:
        try:
            await self._transport.create_event(transition.namespace, event_body(transition, datetime.now(UTC)))
        except (ApiError, UnreachableError) as error:
            # An Event is a courtesy: the condition on the object is what counts.
            log.warning("Event not posted", extra={"namespace": transition.namespace, "error": str(error)})


def event_body(transition: Transition, now: datetime) -> Json:
    """The core/v1 Event of a transition."""
    stamp = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    pod = os.environ.get("HOSTNAME", _COMPONENT)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{transition.name[:200]}.", "namespace": transition.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": "PlacementRequest",
            "namespace": transition.namespace,
            "name": transition.name,
            "uid": transition.uid,
        },
        "type": "Warning" if transition.warning else "Normal",
        "reason": transition.reason,
        "message": transition.message[:_MESSAGE_LIMIT],
        "source": {"component": _COMPONENT},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
        "reportingComponent": _COMPONENT,
        "reportingInstance": pod,
    }
