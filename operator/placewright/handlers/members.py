"""The requests that are planned together, kept small, and the snapshot that is decided from them."""

import asyncio
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from placewright.api import convert, present
from placewright.api.live import NO_LIVE, Live, ramp_of
from placewright.api.parse import parse
from placewright.api.surroundings import DemandUnavailableError
from placewright.core.errors import InvalidRequestError
from placewright.core.model import Ceiling, Pool, Present, Ramp, Request, Snapshot
from placewright.handlers.cache import Json, key_of
from placewright.handlers.joining import joins, watches
from placewright.handlers.ledger import NOTHING, Holding, Ledger, beside, without
from placewright.handlers.surveyor import Survey
from placewright.telemetry.views import Key

LATEST = datetime.max.replace(tzinfo=UTC)  # by then no plan dwells
_OURS = "placewright.dev/"
_ITEMS_BETWEEN_TURNS = 20  # reading a request takes a part of a millisecond; the loop must not be held


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One request that is planned together with others.

    Attributes:
        uid, generation: of the object.
        packed: the object as stored, compressed: it is needed whole only when a status is written.
        request: as read last; None: not read yet, or not readable.
        fault: why it cannot be read.
        selects_pools: whether it takes from shared pools.
        joins: whether it is planned here by what it asks itself, whatever policies say.
        watches: whether it wants live figures.
        commands: metadata with our annotations alone.
        live: the live figures that it was read with.
        ramp: how a new plan takes its traffic; None: all at once.
        present: its plan.
        dwell_end: until when its plan does not move for savings.
        told: what its status says, as the publisher puts it; None: not known.
    """

    uid: str
    generation: int
    packed: bytes
    selects_pools: bool
    joins: bool = True
    watches: bool = False
    commands: Json = field(default_factory=lambda: _NOTHING_ASKED)
    live: Live = NO_LIVE
    ramp: Ramp | None = None
    request: Request | None = None
    fault: InvalidRequestError | None = None
    present: Present | None = None
    dwell_end: datetime | None = None
    told: object = None

    @property
    def keeps_plan(self) -> bool:
        """Whether its plan stays although it cannot be decided: nobody knows its demand, which says nothing of it."""
        return isinstance(self.fault, DemandUnavailableError)

    @property
    def resource(self) -> Json:
        """The object as stored."""
        found: Json = json.loads(zlib.decompress(self.packed))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One moment of the fleet: what is decided, and for whom.

    Attributes:
        survey: what surrounds the requests.
        members: by name, as they were.
        snapshot: the requests that can be decided.
        waiting: members that cannot be decided now, as what they are planned from cannot be read.
    """

    survey: Survey
    members: Mapping[Key, Member]
    snapshot: Snapshot
    waiting: frozenset[Key] = frozenset()


@dataclass(slots=True)
class _Reading:
    """What requests were read with: another one means reading them again."""

    outline: object = None
    pools: dict[str, Pool] = field(default_factory=dict)


class Steering(Protocol):
    """The seam: what plan a member counts as having (`Ramps` does)."""

    def present(self, key: Key, member: Member, fits: Callable[[Key, Holding], str]) -> Present | None:
        """The member's plan as far as planning is concerned."""
        ...

    def reserved(self, key: Key, member: Member) -> Holding:
        """What a plan takes that serves beside the one that stands in the status."""
        ...

    def note_short(self, key: Key, pool: str) -> None:
        """Told which pool has no room for that; empty: all have."""
        ...


class StoredPlans:
    """No ramps: each member has the plan of its status."""

    def present(self, key: Key, member: Member, fits: Callable[[Key, Holding], str]) -> Present | None:
        """That of its status."""
        del key, fits
        return member.present

    def reserved(self, key: Key, member: Member) -> Holding:
        """Nothing."""
        del key, member
        return NOTHING

    def note_short(self, key: Key, pool: str) -> None:
        """Never told anything."""
        del key, pool


class Members:
    """All requests that are planned together.

    Args:
        ledger: what stored plans hold.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._members: dict[Key, Member] = {}
        self._read = _Reading()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._members)

    def get(self, key: Key) -> Member | None:
        """One of them."""
        return self._members.get(key)

    def items(self) -> tuple[tuple[Key, Member], ...]:
        """All of them by name; safe to call from another thread."""
        return tuple(self._members.items())

    def untold(self) -> int:
        """How many wait for their status; safe to call from another thread."""
        return sum(member.told is None for member in tuple(self._members.values()))

    def take(self, resource: Json, *, told: object = None, ours: bool = True) -> None:
        """Takes in the newest object of a member.

        Args:
            resource: as stored.
            told: what its status says, when the publisher wrote it.
            ours: False when somebody else has written the status: the plan that we gave it is still its plan.
        """
        key, metadata = key_of(resource), resource["metadata"]
        before = self._members.get(key)
        same = before is not None and before.uid == metadata["uid"]
        commands = _commands(metadata)  # reading a request says what of them means nothing
        asked = int(metadata["generation"]), commands
        kept = before if before is not None and same and (before.generation, before.commands) == asked else None
        member = Member(
            uid=metadata["uid"],
            generation=int(metadata["generation"]),
            packed=_packed(resource),
            selects_pools="poolSelector" in resource["spec"],
            joins=joins(resource),
            watches=watches(resource),
            commands=commands,
            live=NO_LIVE if kept is None else kept.live,
            ramp=None if kept is None else kept.ramp,
            request=None if kept is None else kept.request,
            fault=None if kept is None else kept.fault,
            told=told,
        )
        if ours or before is None or not same:
            self._members[key] = self._with_present(member, resource)
        else:
            self._members[key] = replace(member, present=before.present, dwell_end=before.dwell_end)

    def leave(self, key: Key) -> bool:
        """It is planned alone, or is gone; returns whether it was a member."""
        return self._members.pop(key, None) is not None

    def next_dwell_end(self, now: datetime) -> datetime | None:
        """When the next plan may move for savings again; None: there is no such moment."""
        ends = [member.dwell_end for member in self._members.values() if member.dwell_end is not None]
        return min((end for end in ends if end > now), default=None)

    async def world(
        self,
        survey: Survey,
        now: datetime,
        *,
        live: Mapping[Key, Live] | None = None,
        steering: Steering | None = None,
    ) -> World:
        """The fleet as it stands; requests are read again where what they are read with has changed.

        Args:
            survey: what surrounds the requests.
            now: an aware time.
            live: the figures in force of members that watch some; who watches and is not among them waits.
            steering: what plans members count as having; None: those of their statuses.
        """
        steering = steering or StoredPlans()
        await self.read(survey, live)
        members = self._members
        blind = {key for key, member in members.items() if survey.fault and member.selects_pools}
        unseen = {key for key, member in members.items() if live is not None and member.watches and key not in live}
        # What is planned by nobody here keeps its GPUs: suspended, being deleted, or waiting for what it is read from.
        kept = {
            key: held
            for key, held in self.ledger.items()
            if key in blind or key in unseen or key not in members or members[key].keeps_plan
        }
        pools = {name: without(pool, list(kept.values())) for name, pool in survey.pools.items()}
        deciding = [key for key in sorted(members) if members[key].request is not None and key not in blind | unseen]
        presents = self._presents(deciding, pools, steering, now)
        pools = self._rooms(self._set_aside(deciding, pools, steering))
        for key in deciding:
            members[key] = _on(members[key], pools)
        snapshot = Snapshot(
            requests=tuple(request for key in deciding if (request := members[key].request) is not None),
            pools=tuple(pools[name] for name in sorted(pools)),
            present=tuple(found for key in deciding if (found := presents[key]) is not None),
            ceilings=tuple(_left(ceiling, kept) for ceiling in survey.ceilings),
        )
        return World(survey=survey, members=dict(members), snapshot=snapshot, waiting=frozenset(blind))

    def _presents(
        self, deciding: list[Key], pools: Mapping[str, Pool], steering: Steering, now: datetime
    ) -> dict[Key, Present | None]:
        holdings = dict(self.ledger.items())

        def short(key: Key, holding: Holding) -> str:
            others = [held for other, held in holdings.items() if other != key and other in self._members]
            _, lacking = beside(pools, others, {key: holding})
            return lacking.get(key, "")

        return {key: steering.present(key, _dwelling(self._members[key], now), short) for key in deciding}

    def _set_aside(self, deciding: list[Key], pools: dict[str, Pool], steering: Steering) -> dict[str, Pool]:
        """The pools without what plans take that serve beside those of the statuses, as far as there is room."""
        asked = {key: steering.reserved(key, self._members[key]) for key in deciding}
        asked = {key: holding for key, holding in asked.items() if holding.pools}
        if not asked:
            return pools
        standing = [self.ledger.of(key) for key in deciding]
        rooms, short = beside(pools, standing, asked)
        for key in asked:
            steering.note_short(key, short.get(key, ""))
        return rooms

    async def read(self, survey: Survey, live: Mapping[Key, Live] | None = None) -> None:
        """Reads requests again where what they are read with has changed; arguments as of `world`."""
        live = live or {}
        outline = _outline(survey)
        if outline != self._read.outline:
            self._read.outline = outline
            for key, member in self._members.items():
                self._members[key] = replace(member, request=None, fault=None)
        count = 0
        for key in tuple(self._members):
            found = self._members.get(key)  # it may go while the loop turns
            if found is None or (survey.fault and found.selects_pools):
                continue
            figures = live.get(key, found.live) if found.watches else NO_LIVE
            if _is_read(found) and found.live == figures:
                continue
            self._members[key] = self._with_request(replace(found, live=figures), survey)
            count += 1
            if count % _ITEMS_BETWEEN_TURNS == 0:
                await asyncio.sleep(0)

    def _with_request(self, member: Member, survey: Survey) -> Member:
        resource = member.resource
        try:
            parsed = parse(resource)
            request = convert.to_request(parsed, survey.surroundings, member.live)
            ramp = ramp_of(parsed.spec)
        except InvalidRequestError as error:
            return replace(member, request=None, fault=error, ramp=None)
        return self._with_present(replace(member, request=request, ramp=ramp, fault=None), resource)

    def _with_present(self, member: Member, resource: Json) -> Member:
        """Reads the plan of the status; its request says how long it dwells."""
        if member.request is None:
            return member
        stabilization = member.request.stabilization
        return replace(
            member,
            present=present.present_of(resource, stabilization, LATEST),
            dwell_end=present.dwell_ends(resource, stabilization),
        )

    def _rooms(self, pools: dict[str, Pool]) -> dict[str, Pool]:
        """The same objects as before where nothing has changed: comparing them is then quick."""
        before = self._read.pools
        self._read.pools = {name: before[name] if before.get(name) == pool else pool for name, pool in pools.items()}
        return self._read.pools


def _is_read(member: Member) -> bool:
    return member.request is not None or member.fault is not None


def _on(member: Member, pools: Mapping[str, Pool]) -> Member:
    """The member with its request on the pools as they are now."""
    assert member.request is not None
    before = member.request.pools
    fresh = tuple(pools.get(pool.name, pool) if pool.shared else pool for pool in before)
    if all(new is old for new, old in zip(fresh, before, strict=True)):
        return member
    return replace(member, request=replace(member.request, pools=fresh))


def _dwelling(member: Member, now: datetime) -> Member:
    """The member with whether its plan dwells now."""
    if member.present is None or member.dwell_end is None or now >= member.dwell_end:
        return member
    return replace(member, present=replace(member.present, dwells=True))


def _left(ceiling: Ceiling, kept: Mapping[Key, Holding]) -> Ceiling:
    """What the plans that stay as they are leave of a ceiling."""
    spent = sum(held.cost_per_hour for key, held in kept.items() if ceiling.namespace in {None, key[0]})
    return replace(ceiling, max_cost_per_hour=max(0.0, ceiling.max_cost_per_hour - spent)) if spent else ceiling


def _outline(survey: Survey) -> object:
    """All that requests are read with; how much of a pool is free and what it costs is looked up anew each time."""
    around = survey.surroundings
    return (
        around.policies,
        around.profiles,
        {
            name: (shared.labels, replace(shared.pool, nodes=0, gpus_per_node=0, rooms=None, price_per_gpu_hour=None))
            for name, shared in around.pools.items()
        },
        around.unusable,
        [(each.key, each.policy, each.per_gpu_hour) for each in around.prices],
    )


_NOTHING_ASKED: Json = {"metadata": {"annotations": {}}}  # by most; one for all of them


def _commands(metadata: Json) -> Json:
    given = metadata.get("annotations") or {}
    ours = {name: text for name, text in given.items() if name.startswith(_OURS)}
    return {"metadata": {"annotations": ours}} if ours else _NOTHING_ASKED


def _packed(resource: Json) -> bytes:
    metadata = {name: value for name, value in resource["metadata"].items() if name != "managedFields"}
    return zlib.compress(json.dumps({**resource, "metadata": metadata}, separators=(",", ":")).encode(), 1)
