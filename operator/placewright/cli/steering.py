"""One request of a cluster: read it, annotate it, wait for what the operator makes of it."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from placewright.cli.connection import Connection, GivenUpError, connection_options
from placewright.cli.decorate import Command, with_options
from placewright.cli.faults import Fault, FaultsError

if TYPE_CHECKING:
    from placewright.kube.steering import Annotations, Steering

Json = dict[str, Any]
Refusals = set[tuple[str, int]]

POLL_SECONDS: Final = 0.5
REFUSED: Final = "RollbackRefused"

_OPTIONS: Final = (
    click.argument("name"),
    click.option("-n", "--namespace", default="default", show_default=True, metavar="NAME", help="Of the request."),
)


def request_argument(command: Command) -> Command:
    """Give a command NAME and the options that say where to find it."""
    return with_options(connection_options(command), _OPTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A request of a cluster, as NAME and options name it."""

    name: str
    namespace: str
    kubeconfig: str | None = None
    context: str | None = None

    @property
    def title(self) -> str:
        """`serving/chat`."""
        return f"{self.namespace}/{self.name}"

    @property
    def connection(self) -> Connection:
        """The cluster that it is in."""
        return Connection(kubeconfig=self.kubeconfig, context=self.context)

    def fault(self, *, got: str, wants: str) -> FaultsError:
        """Say in one line why it cannot be done with this request."""
        return FaultsError([Fault(place=self.title, got=got, wants=wants)])

    def read(self) -> Json:
        """Return the object.

        Raises:
            FaultsError: no credentials, no answer, no right, no such request.
        """

        async def work(client: "Steering") -> Json:
            return self._there(await client.get_request(self.namespace, self.name))

        return self.connection.run(work)

    def annotate(self, decide: Callable[[Json], "Annotations"]) -> tuple[Json, Json]:
        """Write annotations with the name of who does it; returns the object before and after.

        Args:
            decide: says for an object what to write (nothing: all stands as it is wanted), or raises FaultsError.

        Raises:
            FaultsError: as in `read`, or from `decide`.
        """
        from placewright.kube.steering import request_path  # noqa: PLC0415 - --help needs no client

        async def work(client: "Steering") -> tuple[Json, Json]:
            found = await client.annotate(request_path(self.namespace, self.name), await signed(client, decide))
            return found if found is not None else (self._there(None), {})

        return self.connection.run(work)

    def refusals(self) -> Refusals:
        """Return what the operator has refused so far, to tell it from what comes.

        Raises:
            FaultsError: as in `read`.
        """

        async def work(client: "Steering") -> Refusals:
            found = self._there(await client.get_request(self.namespace, self.name))
            return {_occurrence(each) for each in await client.events(self.namespace, _uid(found), REFUSED)}

        return self.connection.run(work)

    def wait(self, seconds: float, done: Callable[[Json], str], *, known: Refusals | None = None) -> str:
        """Wait until `done` says something of the object, and return that; empty: it said nothing in time.

        An API server that does not answer for a while is waited for too.

        Args:
            seconds: how long.
            done: says what became of it; empty: nothing yet. It may raise GivenUpError.
            known: refusals of before, to wait for a new one too; None: the operator refuses nothing of this kind.

        Raises:
            FaultsError: as in `read`.
            GivenUpError: the operator refuses what was asked, or from `done`.
        """

        async def work(client: "Steering") -> str:
            deadline = time.monotonic() + seconds
            while True:
                over = time.monotonic() >= deadline
                found = await self._looked(client, patient=not over)
                said = "" if found is None else done(found)
                if said:
                    return said
                if found is not None and known is not None:
                    await _give_up_when_refused(client, self.namespace, found, known)
                if over:
                    return ""
                await asyncio.sleep(min(POLL_SECONDS, max(deadline - time.monotonic(), 0.0)))

        return self.connection.run(work)

    async def _looked(self, client: "Steering", *, patient: bool) -> Json | None:
        """The object as it is now; None: nobody answered, which may pass."""
        from placewright.kube.client import ApiError, UnreachableError  # noqa: PLC0415 - --help needs no client

        try:
            return self._there(await client.get_request(self.namespace, self.name))
        except UnreachableError:
            if not patient:
                raise
        except ApiError as error:
            if not patient or (error.status < 500 and error.status != 429):
                raise
        return None

    def _there(self, found: Json | None) -> Json:
        if found is None:
            wants = f"a PlacementRequest of namespace {self.namespace}"
            raise FaultsError([Fault(place="NAME", got=f"{self.name}, which is not there", wants=wants)])
        return found


async def signed(client: "Steering", decide: Callable[[Json], "Annotations"]) -> Callable[[Json], "Annotations"]:
    """Add to what `decide` writes who does it; to nothing nothing is added."""
    from placewright.api.annotations import ACTOR, MAX_ACTOR  # noqa: PLC0415 - --help needs none of it

    actor = (await client.user() or os.environ.get("USER", ""))[:MAX_ACTOR]

    def with_actor(seen: Json) -> "Annotations":
        wanted = decide(seen)
        return {**wanted, ACTOR: actor or None} if wanted else wanted

    return with_actor


async def _give_up_when_refused(client: "Steering", namespace: str, found: Json, known: Refusals) -> None:
    for event in await client.events(namespace, _uid(found), REFUSED):
        if _occurrence(event) not in known:
            raise GivenUpError(str(event.get("message", "")))


def _occurrence(event: Mapping[str, Any]) -> tuple[str, int]:
    """An Event that happens again is the same object with a higher count."""
    return _uid(event), int(event.get("count") or 0)


def _uid(resource: Mapping[str, Any]) -> str:
    return str(resource["metadata"]["uid"])


def status_of(resource: Json) -> Json:
    """Return the status; empty: none is written yet."""
    return resource.get("status") or {}


def plan_id_of(resource: Json) -> str:
    """Return the id of the plan in the status; empty: there is none."""
    return str((status_of(resource).get("plan") or {}).get("id", ""))


def ready_text(resource: Json) -> str:
    """`Ready=True PlanCurrent`; empty: nothing is known."""
    ready = condition_of(resource, "Ready")
    return f"Ready={ready.get('status')} {ready.get('reason')}" if ready else ""


def annotation_of(resource: Json, name: str) -> str:
    """Return the value of an annotation; empty: it has none."""
    return str((resource["metadata"].get("annotations") or {}).get(name, ""))


def condition_of(resource: Json, kind: str) -> Json:
    """Return a condition of the status; empty: there is none."""
    return next((each for each in status_of(resource).get("conditions") or () if each.get("type") == kind), {})
