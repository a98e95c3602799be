"""The kopf glue: it watches, reconnects and discovers; every decision is ours. The only kopf import."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import kopf

from placewright.api.base import GROUP, VERSION
from placewright.handlers.cache import Json
from placewright.kube.access import CONNECT_SECONDS, REQUEST_SECONDS, Access
from placewright.kube.client import PLURAL

OnEvent = Callable[[str | None, Json], None]

_LOGIN_SECONDS = 5.0
# Without peering it names nobody to nobody, but kopf's default asks for a user name, which a bare uid may not have.
_IDENTITY = cast("Any", "placewright")  # a NewType of str that kopf does not export
_ERROR_DELAYS_SECONDS = (1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 60)


class _Pace:
    """Lets one pass each `seconds`, the first at once: kopf logs in again at once for as long as it gets a 401."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._next = float("-inf")

    async def wait(self) -> None:
        """Waits for the turn of the caller."""
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next)
        self._next = turn + self._seconds
        await asyncio.sleep(turn - now)


class _NoMemory(kopf.DiffBaseStorage):
    """Keeps nothing on objects and copies nothing.

    We have no handlers for differences, and kopf's copying of each object took a third of the operator's time.
    """

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Nothing of an object is worth comparing."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        """Nothing was stored."""

    def store(self, **_: Any) -> None:
        """Nothing is stored."""


def settings() -> kopf.OperatorSettings:
    """Kopf's settings (docs/operations.md says why): no peering, no scanning, dead streams noticed, delays capped."""
    chosen = kopf.OperatorSettings()
    chosen.peering.standalone = True
    chosen.scanning.disabled = True
    chosen.posting.enabled = False
    chosen.posting.loggers = False
    chosen.watching.server_timeout = 300
    chosen.watching.client_timeout = 330
    chosen.watching.connect_timeout = CONNECT_SECONDS
    chosen.watching.inactivity_timeout = 70
    chosen.networking.request_timeout = REQUEST_SECONDS
    chosen.networking.connect_timeout = CONNECT_SECONDS
    chosen.queueing.error_delays = _ERROR_DELAYS_SECONDS
    chosen.queueing.exit_timeout = 5
    chosen.persistence.diffbase_storage = _NoMemory()
    chosen.process.ultimate_exiting_timeout = 30
    return chosen


def registry(on_event: OnEvent, access: Access) -> kopf.OperatorRegistry:
    """A registry of our own with one event handler: no finalizers, no annotations, nothing to remember on objects."""
    handlers = kopf.OperatorRegistry()
    pace = _Pace(seconds=_LOGIN_SECONDS)

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.AiohttpSession:
        await pace.wait()
        return kopf.AiohttpSession(server=access.server, aiohttp_session=access.session())

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers)
    async def observed(event: Any, **_: Any) -> None:
        on_event(event["type"], event["object"])

    return handlers


async def watch(
    on_event: OnEvent,
    access: Access,
    *,
    namespaces: tuple[str, ...],
    stop: asyncio.Event,
    on_started: Callable[[], None],
) -> None:
    """Watches until `stop` is set.

    Args:
        on_event: gets the type of each event and its object.
        access: credentials.
        namespaces: only these; empty: all.
        stop: ends the watch.
        on_started: called when kopf is up and has taken the process's signals; the caller takes them back.

    Raises:
        Exception: what kopf cannot recover from by itself, as a long 5xx: the process should end and be restarted.
    """
    ours = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry(on_event, access),
        settings=settings(),
        standalone=True,
        identity=_IDENTITY,
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=stop,
    )
    on_started()
    await kopf.run_tasks(tasks, ignored=ours)
