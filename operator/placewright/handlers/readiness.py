"""Before anything is watched: waiting until the API server serves PlacementRequests, and saying so."""

import asyncio
import contextlib
import logging
import time

from placewright.kube.client import ApiError, KubeClient, UnreachableError
from placewright.telemetry.health import Health

log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_TELL_SECONDS = 30.0


async def served(client: KubeClient, health: Health, stop: asyncio.Event) -> None:
    """Returns once PlacementRequests are served, or when it is time to stop.

    Args:
        client: calls on the API server.
        health: is told what is waited for.
        stop: set when the operator is to end.
    """
    told_at = float("-inf")
    while not stop.is_set():
        try:
            if await client.serves_requests():
                health.waiting_for = ""
                return
            health.waiting_for = "the CustomResourceDefinition placementrequests.placewright.dev"
        except (ApiError, UnreachableError) as error:
            health.waiting_for = f"the API server: {error}"
        if time.monotonic() - told_at > _TELL_SECONDS:
            told_at = time.monotonic()
            log.warning("waiting for %s", health.waiting_for)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stop.wait(), timeout=_POLL_SECONDS)
