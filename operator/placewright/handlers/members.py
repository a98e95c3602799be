"""The requests that are planned together, kept small, and the snapshot that is decided from them."""

import asyncio
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from placewright.api import convert, present
from placewright.api.parse import parse
from placewright.core.errors import InvalidRequestError
from placewright.core.model import Ceiling, Pool, Present, Request, Snapshot
from placewright.handlers.cache import Json, key_of
from placewright.handlers.ledger import Holding, Ledger, without
from placewright.handlers.surveyor import Survey
from placewright.telemetry.views import Key

_EARLIEST = datetime.min.replace(tzinfo=UTC)
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
        present: its plan.
        dwell_end: until when its plan does not move for savings.
        told: what its status says, as the publisher puts it; None: not known.
    """

    uid: str
    generation: int
    packed: bytes
    selects_pools: bool
    request: Request | None = None
    fault: InvalidRequestError | None = None
    present: Present | None = None
    dwell_end: datetime | None = None
    told: object = None

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


def covered(namespace: str, ceilings: tuple[Ceiling, ...]) -> bool:
    """Whether a ceiling counts the plans of this namespace."""
    return any(ceiling.namespace in {None, namespace} for ceiling in ceilings)


def wants_fleet(resource: Json, ceilings: tuple[Ceiling, ...]) -> bool:
    """Whether a request is planned together with others: it takes from shared pools, or a ceiling counts its plan.

    A suspended one keeps its plan as it is, and one that is being deleted goes with its plan.
    """
    spec, metadata = resource["spec"], resource["metadata"]
    if spec.get("suspend") or metadata.get("deletionTimestamp"):
        return False
    return "poolSelector" in spec or covered(metadata["namespace"], ceilings)


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
        kept = before if before is not None and same and before.generation == int(metadata["generation"]) else None
        member = Member(
            uid=metadata["uid"],
            generation=int(metadata["generation"]),
            packed=_packed(resource),
            selects_pools="poolSelector" in resource["spec"],
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

    async def world(self, survey: Survey, now: datetime) -> World:
        """The fleet as it stands; requests are read again where what they are read with has changed."""
        await self._read_all(survey)
        members = self._members
        waiting = frozenset(key for key, member in members.items() if survey.fault and member.selects_pools)
        # What is planned by nobody here keeps its GPUs: suspended, being deleted, or waiting for Nodes to be readable.
        kept = {key: held for key, held in self.ledger.items() if key in waiting or key not in members}
        pools = self._rooms({name: without(pool, list(kept.values())) for name, pool in survey.pools.items()})
        deciding = []
        for key in sorted(members):
            if members[key].request is not None and key not in waiting:
                members[key] = _on(members[key], pools)
                deciding.append(members[key])
        snapshot = Snapshot(
            requests=tuple(member.request for member in deciding if member.request is not None),
            pools=tuple(pools[name] for name in sorted(pools)),
            present=tuple(_dwelling(member, now) for member in deciding if member.present is not None),
            ceilings=tuple(_left(ceiling, kept) for ceiling in survey.ceilings),
        )
        return World(survey=survey, members=dict(members), snapshot=snapshot, waiting=waiting)

    async def _read_all(self, survey: Survey) -> None:
        outline = _outline(survey)
        if outline != self._read.outline:
            self._read.outline = outline
            for key, member in self._members.items():
                self._members[key] = replace(member, request=None, fault=None)
        count = 0
        for key in tuple(self._members):
            found = self._members.get(key)  # it may go while the loop turns
            if found is None or _is_read(found) or (survey.fault and found.selects_pools):
                continue
            self._members[key] = self._with_request(found, survey)
            count += 1
            if count % _ITEMS_BETWEEN_TURNS == 0:
                await asyncio.sleep(0)

    def _with_request(self, member: Member, survey: Survey) -> Member:
        resource = member.resource
        try:
            request = convert.to_request(parse(resource), survey.surroundings)
        except InvalidRequestError as error:
            return replace(member, request=None, fault=error)
        return self._with_present(replace(member, request=request, fault=None), resource)

    def _with_present(self, member: Member, resource: Json) -> Member:
        """Reads the plan of the status; its request says how long it dwells."""
        if member.request is None:
            return member
        stabilization = member.request.stabilization
        return replace(
            member,
            present=present.present_of(resource, stabilization, _EARLIEST),
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


def _dwelling(member: Member, now: datetime) -> Present:
    assert member.present is not None
    dwells = member.dwell_end is not None and now < member.dwell_end
    return member.present if member.present.dwells == dwells else replace(member.present, dwells=dwells)


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
    )


def _packed(resource: Json) -> bytes:
    metadata = {name: value for name, value in resource["metadata"].items() if name != "managedFields"}
    return zlib.compress(json.dumps({**resource, "metadata": metadata}, separators=(",", ":")).encode(), 1)
