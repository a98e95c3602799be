"""One request of a cluster: read it, annotate it, wait for what the operator makes of it."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from placewright.cli.decorate import Command, with_options
from placewright.cli.faults import Fault, FaultsError
from placewright.core.errors import PlacewrightError

if TYPE_CHECKING:
    from placewright.kube.steering import Annotations, Steering

T = TypeVar("T")
Json = dict[str, Any]
Refusals = set[tuple[str, int]]

POLL_SECONDS: Final = 0.5
REFUSED: Final = "RollbackRefused"

_OPTIONS: Final = (
    click.argument("name"),
    click.option("-n", "--namespace", default="default", show_default=True, metavar="NAME", help="Of the request."),
    click.option(
        "--kubeconfig",
        metavar="FILE",
        help="Credentials.  [default: $KUBECONFIG, the pod's ServiceAccount, ~/.kube/config]",
    ),
    click.option("--context", metavar="NAME", help="Context of the kubeconfig.  [default: its current one]"),
)


def request_argument(command: Command) -> Command:
    """Give a command NAME and the options that say where to find it."""
    return with_options(command, _OPTIONS)


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

    def read(self) -> Json:
        """Return the object.

        Raises:
            FaultsError: no credentials, no answer, no right, no such request.
        """

        async def work(client: "Steering") -> Json:
            return self._there(await client.get_request(self.namespace, self.name))

        return self._run(work)

    def annotate(self, decide: Callable[[Json], "Annotations"]) -> tuple[Json, Json]:
        """Write annotations with the name of who does it; returns the object before and after.

        Args:
            decide: says for an object what to write, or raises FaultsError.

        Raises:
            FaultsError: as in `read`, or from `decide`.
        """
        from placewright.api.annotations import ACTOR, MAX_ACTOR  # noqa: PLC0415 - --help needs none of it

        async def work(client: "Steering") -> tuple[Json, Json]:
            actor = (await client.user() or os.environ.get("USER", ""))[:MAX_ACTOR]
            found = await client.annotate(
                self.namespace, self.name, lambda seen: {**decide(seen), ACTOR: actor or None}
            )
            return found if found is not None else (self._there(None), {})

        return self._run(work)

    def refusals(self) -> Refusals:
        """Return what the operator has refused so far, to tell it from what comes.

        Raises:
            FaultsError: as in `read`.
        """

        async def work(client: "Steering") -> Refusals:
            found = self._there(await client.get_request(self.namespace, self.name))
            return {_occurrence(each) for each in await client.events(self.namespace, _uid(found), REFUSED)}

        return self._run(work)

    def wait(self, seconds: float, done: Callable[[Json], str], *, known: Refusals) -> str:
        """Wait until `done` says something of the object, and return that; empty: it said nothing in time.

        Args:
            seconds: how long.
            done: says what became of it; empty: nothing yet.
            known: refusals of before.

        Raises:
            FaultsError: as in `read`.
            RefusedError: the operator refuses what was asked.
        """

        async def work(client: "Steering") -> str:
            deadline = time.monotonic() + seconds
            while True:
                found = self._there(await client.get_request(self.namespace, self.name))
                said = done(found)
                if said:
                    return said
                for event in await client.events(self.namespace, _uid(found), REFUSED):
                    if _occurrence(event) not in known:
                        raise RefusedError(str(event.get("message", "")))
                if time.monotonic() >= deadline:
                    return ""
                await asyncio.sleep(min(POLL_SECONDS, max(deadline - time.monotonic(), 0.0)))

        return self._run(work)

    def _there(self, found: Json | None) -> Json:
        if found is None:
            wants = f"a PlacementRequest of namespace {self.namespace}"
            raise FaultsError([Fault(place="NAME", got=f"{self.name}, which is not there", wants=wants)])
        return found

    def _run(self, work: Callable[["Steering"], Awaitable[T]]) -> T:
        from placewright.kube.access import access_for  # noqa: PLC0415 - --help needs no client
        from placewright.kube.client import ApiError, UnreachableError  # noqa: PLC0415
        from placewright.kube.steering import Steering  # noqa: PLC0415

        async def call() -> T:
            access = access_for(self.kubeconfig, self.context)
            async with access.session() as session:
                try:
                    return await work(Steering(session, access.server))
                except ApiError as error:
                    wants = "the right to do it" if error.status == 403 else "an API server that takes it"
                    raise FaultsError([Fault(place=access.server, got=str(error), wants=wants)]) from None
                except UnreachableError as error:
                    raise FaultsError([Fault(place=access.server, got=str(error), wants="an answer")]) from None

        try:
            return asyncio.run(call())
        except RefusedError:
            raise
        except PlacewrightError as error:
            raise FaultsError([error]) from None


class RefusedError(PlacewrightError):
    """The operator will not do what was asked; the text says why."""


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
    for each in status_of(resource).get("conditions") or ():
        if each.get("type") == "Ready":
            return f"Ready={each.get('status')} {each.get('reason')}"
    return ""
