"""Live prices: each source of the PlacementPolicies is read at its own interval, and what is in force is told on.

What is in force and what is held back stands in the statuses of the policies, so that a restarted operator plans with
the same prices before it has read any source.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from placewright.api.conditions import Condition
from placewright.api.figures import cut
from placewright.api.live_prices import refresh_seconds, rules_of, static_price, stored_states
from placewright.api.placement_policy import PlacementPolicy
from placewright.api.price_rows import LivePrice
from placewright.api.price_sources import MAX_PRICE_STATES
from placewright.api.status import MAX_MESSAGE
from placewright.handlers.cache import Json
from placewright.handlers.price_reader import PriceReader
from placewright.telemetry.prices.errors import PriceSourceError, wrong
from placewright.telemetry.prices.watch import PriceEvent, PriceEventKind, SourceWatch

log = logging.getLogger(__name__)

PRICES_STALE: Final = "PricesStale"
PRICES_HELD_BACK: Final = "PricesHeldBack"

_LONGEST_READ_SECONDS: Final = 15.0
_LONGEST_REST_SECONDS: Final = 30.0  # what goes stale by itself is found this late at most
_SHOWN: Final = 5


class PolicyObject(Protocol):
    """A PlacementPolicy as the surveyor knows it (`Known`)."""

    @property
    def name(self) -> str:
        """Of the object."""
        ...

    @property
    def model(self) -> PlacementPolicy | None:
        """Its spec; None: it cannot be used."""
        ...

    @property
    def resource(self) -> Json:
        """Its metadata and status as stored."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceStatus:
    """What the status of a policy says of its sources: further conditions, and the fields priceSources and prices."""

    conditions: tuple[Condition, ...] = ()
    fields: dict[str, Any]


_Key = tuple[str, str, str]  # uid and name of the policy, name of the source


class Prices:
    """Keeps the live prices of all policies.

    Args:
        policies: the PlacementPolicies as they are known now.
        reader: reads a source.
        changed: called when a price in force, or what is said of it, has changed.
        record: told what happened to a price, for the audit.
        clock: Unix time.
        stopwatch: monotonic seconds.
    """

    def __init__(
        self,
        *,
        policies: Callable[[], Sequence[PolicyObject]],
        reader: PriceReader,
        changed: Callable[[], None],
        record: Callable[[PriceEvent], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policies = policies
        self._reader = reader
        self._changed = changed
        self._record = record
        self._clock = clock
        self._stopwatch = stopwatch
        self._watches: dict[_Key, SourceWatch] = {}
        self._due: dict[_Key, float] = {}
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._live: tuple[LivePrice, ...] = ()
        self._told: object = None

    # --------------------------------------------------------------------------------------------------- what it tells

    def live(self) -> tuple[LivePrice, ...]:
        """What is in force, policies by name and sources in their order; the same object until something changes."""
        return self._live

    def settled(self) -> bool:
        """Whether every source was tried once, or prices of it are known from before.

        Until then nobody should plan: prices would fall back to tables for a moment.
        """
        self._sync()
        return all(watch.tried or watch.count for watch in self._watches.values())

    async def known(self) -> None:
        """Returns once they are settled; a source that does not answer is waited for a few seconds."""
        while not self.settled():
            self._news.clear()
            await self._news.wait()

    def status_of(self, policy: str) -> PriceStatus | None:
        """What the status of a policy says of its sources; None: it has none."""
        watches = [watch for key, watch in self._watches.items() if key[1] == policy]
        if not watches:
            return None
        now = self._clock()
        prices = [entry for watch in watches for entry in watch.price_data()]
        return PriceStatus(
            conditions=tuple(_conditions(watches, now)),
            fields={
                "priceSources": [watch.state_data(now) for watch in watches],
                "prices": prices[:MAX_PRICE_STATES],
            },
        )

    # --------------------------------------------------------------------------------------------------- what it does

    def wake(self) -> None:
        """Policies have changed: look at their sources soon."""
        self._wake.set()

    async def run(self) -> None:
        """Reads sources until cancelled, whatever they say."""
        try:
            while True:
                self._wake.clear()
                await self.refresh()
                rest = min((due - self._stopwatch() for due in self._due.values()), default=_LONGEST_REST_SECONDS)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), timeout=min(max(rest, 0.0), _LONGEST_REST_SECONDS))
        finally:
            await self._reader.close()

    async def refresh(self) -> None:
        """One round: reads every source whose time has come, and tells when that changes anything."""
        self._sync()
        now = self._stopwatch()
        due = [key for key, moment in self._due.items() if moment <= now]
        for key in due:
            self._due[key] = now + refresh_seconds(self._watches[key].source)
        await asyncio.gather(*(self._read(key, self._watches[key]) for key in due))
        self._tell()
        self._news.set()

    def _sync(self) -> None:
        """Takes up what the policies say now."""
        wanted: dict[_Key, SourceWatch] = {}
        now = self._clock()
        for known in sorted(self._policies(), key=lambda each: each.name):
            sources = known.model.spec.price_sources if known.model is not None else None
            if not sources:
                continue
            uid = str(known.resource["metadata"].get("uid", ""))
            stored = None
            for source in sources:
                key = (uid, known.name, source.name)
                watch = self._watches.get(key)
                if watch is None:
                    if stored is None:
                        rules = {each.name: rules_of(each) for each in sources}
                        stored = stored_states(known.resource.get("status"), rules, now)
                    watch = SourceWatch(known.name, source, stored.get(source.name, {}), now)
                    self._due[key] = self._stopwatch()
                elif watch.source != source:
                    watch.change(source)
                    self._due[key] = self._stopwatch()
                wanted[key] = watch
        self._due = {key: moment for key, moment in self._due.items() if key in wanted}
        if list(self._watches) != list(wanted):
            self._watches = wanted
            self._live = self._prices()

    async def _read(self, key: _Key, watch: SourceWatch) -> None:
        source, names = watch.source, {"policy": watch.policy, "source": watch.source.name}
        try:
            async with asyncio.timeout(_LONGEST_READ_SECONDS):
                found = await self._reader.read(source)
        except TimeoutError:
            line = wrong(source.name, got="nothing in time", wants=f"an answer in {_LONGEST_READ_SECONDS:g} seconds")
            self._fail(watch, PriceSourceError(line, broken=False))
        except PriceSourceError as error:
            self._fail(watch, error)
        except Exception:
            # A fault in reading one source must not end the others; it is told, and tried again.
            log.exception("prices not read", extra=names)
            line = wrong(source.name, got="an internal fault", wants="prices; the log says more")
            self._fail(watch, PriceSourceError(line, broken=False))
        else:
            if self._watches.get(key) is not watch or watch.source is not source:
                return  # the policy has changed meanwhile
            others = sum(each.count for other, each in self._watches.items() if other[:2] == key[:2] and other != key)
            if others + len(found.rows) > MAX_PRICE_STATES:
                got = f"{others + len(found.rows):,} prices of all sources of the policy"
                self._fail(watch, PriceSourceError(wrong(source.name, got=got, wants=f"at most {MAX_PRICE_STATES:,}")))
                return
            if watch.fault:
                log.info("prices are read again", extra=names)
            rules = [each.model for each in self._policies() if each.model is not None]
            events = watch.take(
                found.rows, self._clock(), reference=lambda price: static_price(rules, price), notes=found.notes
            )
            for event in events:
                self._happened(event)

    def _fail(self, watch: SourceWatch, error: PriceSourceError) -> None:
        before = watch.fault
        watch.fail(error)
        if watch.fault != before:
            names = {"policy": watch.policy, "source": watch.source.name}
            log.warning("prices not read; those before stay in force", extra={**names, "error": str(error)})

    def _happened(self, event: PriceEvent) -> None:
        held = event.kind is PriceEventKind.HELD_BACK
        names = {"policy": event.policy, "source": event.source, "price": str(event.key), "reason": str(event.kind)}
        log.log(logging.WARNING if held else logging.INFO, event.message, extra=names)
        self._record(event)

    def _tell(self) -> None:
        """Tells when anything is new that plans or statuses are made of."""
        live = self._prices()
        if live != self._live:
            self._live = live
        now = self._clock()
        told = (
            live,
            [(key, watch.tried, watch.state_data(now), watch.price_data()) for key, watch in self._watches.items()],
        )
        if told != self._told:
            self._told = told
            self._changed()

    def _prices(self) -> tuple[LivePrice, ...]:
        now = self._clock()
        return tuple(price for watch in self._watches.values() for price in watch.prices(now))


def _conditions(watches: Iterable[SourceWatch], now: float) -> list[Condition]:
    held, stale = [], []
    for watch in watches:
        prices = watch.prices(now)
        held += [f"{watch.source.name}, {price.key}: {price.held}" for price in prices if price.held]
        state = watch.state_data(now)
        if state["state"] == "Stale" or (state["state"] == "Unread" and watch.tried):
            stale.append(f"{watch.source.name}: {state['message']}")
    found = []
    if held:
        found.append(_problem(PRICES_HELD_BACK, held))
    if stale:
        found.append(_problem(PRICES_STALE, stale))
    return found


def _problem(reason: str, lines: Sequence[str]) -> Condition:
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    message = cut("; ".join(lines[:_SHOWN]) + more, MAX_MESSAGE)
    return Condition(type=reason, status="True", reason=reason, message=message)
