"""Makes the parts of acting and ties them to those of the operator."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from placewright.core.model import Request
from placewright.handlers.acting.carrying import Carrier
from placewright.handlers.acting.checkpoints import Pass
from placewright.handlers.acting.idling import Idling
from placewright.handlers.acting.loop import Acting, ActingParts
from placewright.handlers.acting.objects import Subjects
from placewright.handlers.acting.observing import Observing
from placewright.handlers.acting.readings import Readings
from placewright.handlers.acting.reporting import Reporter, Told
from placewright.handlers.acting.troubles import Troubles
from placewright.handlers.cache import ObjectCache
from placewright.handlers.live import Connection
from placewright.handlers.members import Members
from placewright.handlers.options import OperatorOptions
from placewright.handlers.surveyor import Surveyor
from placewright.kube.act import Actor
from placewright.kube.client import KubeClient
from placewright.telemetry.prometheus.book import QueryBook
from placewright.telemetry.prometheus.server import Server
from placewright.telemetry.views import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """The parts of the operator that acting is tied to.

    Attributes:
        client: calls on the API server.
        cache: of all requests.
        members: the requests that are planned together.
        surveyor: pools, policies and what is free.
        told: who is told of what was written.
        own: the Prometheus server of the options; None: none was given.
        observe: told of each query.
        ready: whether every request was listed.
        left: told that something which ran beside the plans is gone.
        checkpoint: told of the moments of a cycle.
    """

    client: KubeClient
    cache: ObjectCache
    members: Members
    surveyor: Surveyor
    told: Told
    own: Server | None
    observe: Callable[[str, float], None]
    ready: Callable[[], bool]
    left: Callable[[], None]
    checkpoint: Pass


def assemble(options: OperatorOptions, around: Around) -> Acting:
    """Makes the loop that acts, with all that it is made of."""
    client, members = around.client, around.members
    subjects = Subjects(client, options.namespaces)
    book = QueryBook(observe=around.observe)  # its own: a book forgets what a cycle does not ask
    troubles = Troubles(client)
    reporter = Reporter(
        client,
        cache=around.cache,
        members=members,
        subjects=subjects,
        told=around.told,
        checkpoint=around.checkpoint,
    )

    def planned(key: Key) -> Request | None:
        member = members.get(key)
        return None if member is None else member.request

    observing = Observing(
        client,
        namespaces=options.namespaces,
        acts=options.apply_namespaces if options.apply else None,
        resync_seconds=options.resync_seconds,
    )
    parts = ActingParts(
        subjects=subjects,
        observing=observing,
        readings=Readings(planned),
        idling=Idling(
            book=book,
            connection=Connection(book, around.own),
            rules=around.surveyor.input_rules,
            interval_seconds=options.act_interval_seconds,
            pods=troubles.servers,
        ),
        troubles=troubles,
        carrier=Carrier(
            actor=Actor(client, clock=time.time, checkpoint=around.checkpoint),
            reporter=reporter,
            counters=around.told.counters,
            clock=time.monotonic,
            checkpoint=around.checkpoint,
        ),
        surveyor=around.surveyor,
        ledger=members.ledger,
    )
    return Acting(
        parts,
        ready=around.ready,
        left=around.left,
        interval_seconds=options.act_interval_seconds,
        parallel=options.parallel_writes,
    )
