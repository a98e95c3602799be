"""The cluster that a command speaks to."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import click

from placewright.cli.decorate import Command, with_options
from placewright.cli.faults import Fault, FaultsError
from placewright.core.errors import PlacewrightError

if TYPE_CHECKING:
    from placewright.kube.steering import Steering

T = TypeVar("T")

_OPTIONS: Final = (
    click.option(
        "--kubeconfig",
        metavar="FILE",
        help="Credentials.  [default: $KUBECONFIG, the pod's ServiceAccount, ~/.kube/config]",
    ),
    click.option("--context", metavar="NAME", help="Context of the kubeconfig.  [default: its current one]"),
)


def connection_options(command: Command) -> Command:
    """Give a command the options that say which cluster it speaks to."""
    return with_options(command, _OPTIONS)


class GivenUpError(PlacewrightError):
    """Waiting makes no sense any more; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A cluster as the options of `connection_options` name it."""

    kubeconfig: str | None = None
    context: str | None = None

    def run(self, work: "Callable[[Steering], Awaitable[T]]") -> T:
        """Do some calls with one session.

        Raises:
            FaultsError: no credentials, no answer, no right.
            GivenUpError: from `work`.
        """
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
        except GivenUpError:
            raise
        except PlacewrightError as error:
            raise FaultsError([error]) from None
