"""One source of prices over time: what it said last, what of that is in force, what is held back, what is stale."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from placewright.api.conditions import timestamp
from placewright.api.figures import cut
from placewright.api.live_prices import Stored, held_text, is_table, max_age_seconds, rules_of, state_data
from placewright.api.price_rows import LivePrice, PriceKey, PriceRow
from placewright.api.price_sources import PriceSource
from placewright.api.status import MAX_MESSAGE
from placewright.core.price_watch import UNSEEN, PriceState, is_jump, is_stale, look
from placewright.telemetry.prices.errors import PriceSourceError

FORGOTTEN_SECONDS: Final = 7 * 86400.0
"""A price that a live source has not given for so long, while it gives others, is forgotten."""

_AWAY_SECONDS: Final = 600.0  # so long a table without an age limit may be out of reach


class PriceEventKind(StrEnum):
    """What happened to a price; the reason in logs and the audit."""

    TAKEN = "PriceTaken"  # a price is in force that was not before
    HELD_BACK = "PriceHeldBack"
    CONFIRMED = "PriceConfirmed"  # what was held back has stood for long enough
    RECOVERED = "PriceRecovered"  # what was held back is gone, and the source gives a price that is believed
    GONE = "PriceGone"  # the source gives it no more


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEvent:
    """What happened to one price.

    Attributes:
        kind: what.
        policy: whose source it is.
        source: its name there.
        key: what the price is of.
        old: USD per GPU and hour in force before; None: none was.
        new: in force after; None: none is.
        message: for people, one line.
    """

    kind: PriceEventKind
    policy: str
    source: str
    key: PriceKey
    old: float | None
    new: float | None
    message: str


@dataclass(slots=True)
class _Known:
    """One price. `seen_at` is when it was good last, in Unix seconds: as the source says, or when it was read."""

    state: PriceState = UNSEEN
    as_of: datetime | None = None
    seen_at: float | None = None


class SourceWatch:
    """Watches one source.

    Args:
        policy: name of the PlacementPolicy that has it.
        source: what it is.
        stored: what the policy's status keeps of it.
        now: Unix time.
    """

    def __init__(self, policy: str, source: PriceSource, stored: Mapping[PriceKey, Stored], now: float) -> None:
        self.policy = policy
        self.source = source
        self.rules = rules_of(source)
        self.tried = False
        self.read_at: float | None = None
        self.fault = ""
        self.notes: tuple[str, ...] = ()
        self._broken = False
        self._began = now
        self._replaced = False
        self._known = {key: _Known(state=each.state, as_of=each.as_of) for key, each in stored.items()}

    @property
    def count(self) -> int:
        """How many prices of it are known, also from before a restart."""
        return len(self._known)

    def change(self, source: PriceSource) -> None:
        """The spec of the source has changed; prices stay until the source as it is now was read."""
        if _place(source) != _place(self.source):
            self._replaced = True
            self.tried = False
            self.fault, self._broken = "", False
        self.source = source
        self.rules = rules_of(source)

    # --------------------------------------------------------------------------------------------------- what it says

    def take(
        self,
        rows: Iterable[PriceRow],
        now: float,
        *,
        reference: Callable[[PriceKey], float | None],
        notes: Sequence[str] = (),
    ) -> list[PriceEvent]:
        """The source was read; returns what happened to its prices.

        Args:
            rows: all that it gives, each key once.
            now: Unix time.
            reference: what a price is without the source, which a first price is measured from.
            notes: what should be known besides.
        """
        self.tried, self.fault, self._broken, self.read_at, self.notes = True, "", False, now, tuple(notes)
        events: list[PriceEvent] = []
        given = set()
        for row in rows:
            given.add(row.key)
            known = self._known.setdefault(row.key, _Known())
            before = known.state
            expected = reference(row.key) if before.base is None else None
            known.state = look(before, row.per_gpu_hour, now, self.rules, reference=expected)
            known.seen_at = now if row.as_of is None else row.as_of.timestamp()
            known.as_of = row.as_of if is_table(self.source) else None
            events += self._happened(row.key, before, known.state, expected)
        for key in [key for key in self._known if key not in given and self._forgets(key, now)]:
            old = self._known.pop(key).state.in_force
            events.append(self._event(PriceEventKind.GONE, key, old, None, "the source gives it no more"))
        self._replaced = False
        return events

    def fail(self, error: PriceSourceError) -> None:
        """The source could not be read, or said nothing that can be used: what was in force stays."""
        self.tried = True
        self._broken = error.broken and is_table(self.source)
        # The first fault stays until the source is read: what is out of reach may say something else each time.
        if self._broken or not self.fault:
            self.fault = str(error)

    def _forgets(self, key: PriceKey, now: float) -> bool:
        if is_table(self.source) or self._replaced:
            return True
        seen_at = self._known[key].seen_at
        return now - (self._began if seen_at is None else seen_at) > FORGOTTEN_SECONDS

    def _happened(
        self, key: PriceKey, before: PriceState, after: PriceState, reference: float | None
    ) -> list[PriceEvent]:
        old, new = before.in_force, after.in_force
        if after.held is not None:
            if before.held is None or before.held.since != after.held.since:
                return [self._event(PriceEventKind.HELD_BACK, key, old, new, held_text(after, self.rules))]
            return []
        if before.held is not None:
            base = reference if before.base is None else before.base
            confirmed = new is not None and base is not None and is_jump(new, base)
            kind = PriceEventKind.CONFIRMED if confirmed else PriceEventKind.RECOVERED
            return [self._event(kind, key, old, new, f"{before.held.reason} is over; {_dollars(new)} is in force")]
        if old != new:
            return [self._event(PriceEventKind.TAKEN, key, old, new, f"{_dollars(new)} is in force")]
        return []

    def _event(
        self, kind: PriceEventKind, key: PriceKey, old: float | None, new: float | None, message: str
    ) -> PriceEvent:
        return PriceEvent(
            kind=kind, policy=self.policy, source=self.source.name, key=key, old=old, new=new, message=message
        )

    # ---------------------------------------------------------------------------------------------------- what counts

    def prices(self, now: float) -> tuple[LivePrice, ...]:
        """All its prices; what is held back and what is stale is said with them."""
        return tuple(
            LivePrice(
                key=key,
                policy=self.policy,
                source=self.source.name,
                per_gpu_hour=known.state.in_force,
                as_of=known.as_of or _moment(known.state.since),
                stale=self._stale(known, now),
                held=held_text(known.state, self.rules),
            )
            for key, known in sorted(self._known.items())
        )

    def _stale(self, known: _Known, now: float) -> str:
        if self._broken:
            return self.fault
        limit = max_age_seconds(self.source)
        if self.fault and limit is None:
            limit = _AWAY_SECONDS
            seen_at = self.read_at
        else:
            seen_at = known.seen_at
        if not is_stale(self._began if seen_at is None else seen_at, now, limit):
            return ""
        since = "the operator began" if seen_at is None else timestamp(datetime.fromtimestamp(seen_at, tz=UTC))
        return f"not read since {since}: {self.fault}" if self.fault else f"of {since}, and none newer is given"

    def state_data(self, now: float) -> dict[str, Any]:
        """How the source is doing, for the status."""
        stale = next((price.stale for price in self.prices(now) if price.stale), "")
        if stale:
            return {"name": self.source.name, "state": "Stale", "message": cut(stale, MAX_MESSAGE)}
        if not self._known:
            message = self.fault or "it is not read yet"
            return {"name": self.source.name, "state": "Unread", "message": cut(message, MAX_MESSAGE)}
        told = "; ".join(self.notes)
        return {"name": self.source.name, "state": "Fresh"} | ({"message": cut(told, MAX_MESSAGE)} if told else {})

    def price_data(self) -> list[dict[str, Any]]:
        """What the status keeps of its prices."""
        return [
            state_data(self.source.name, key, known.state, known.as_of) for key, known in sorted(self._known.items())
        ]


def _place(source: PriceSource) -> tuple[object, ...]:
    return source.file, source.config_map, source.open_cost, source.prometheus


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


def _dollars(price: float | None) -> str:
    return "no price" if price is None else f"${price:.6g}"
