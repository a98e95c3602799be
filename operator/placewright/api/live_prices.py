"""How sources of prices are watched, and what the status of a PlacementPolicy keeps of them across restarts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from placewright.api.base import duration_seconds
from placewright.api.conditions import timestamp
from placewright.api.figures import figure
from placewright.api.placement_policy import PlacementPolicy
from placewright.api.price_rows import LivePrice, PriceKey
from placewright.api.price_sources import (
    DEFAULT_LIVE_CHANGE_PERCENT,
    DEFAULT_LIVE_MAX_AGE,
    MAX_PRICE_STATES,
    PriceSource,
)
from placewright.api.prices import policy_price
from placewright.core.figures import number
from placewright.core.price_watch import HeldBack, HoldReason, PriceRules, PriceState, restored

LEAST_REFRESH_SECONDS: Final = 10.0
_LOOKS_IN_A_GAP: Final = 3.0


# ------------------------------------------------------------------------------------------------------- the spec


def is_table(source: PriceSource) -> bool:
    """Say whether a person or a job writes the prices down, so that they are as old as they say and exact."""
    return source.file is not None or source.config_map is not None


def refresh_seconds(source: PriceSource) -> float:
    """How often the source is read."""
    return max(
        LEAST_REFRESH_SECONDS, duration_seconds(source.refresh_interval, field="spec.priceSources.refreshInterval")
    )


def max_age_seconds(source: PriceSource) -> float | None:
    """From which age on its prices are stale; None: never."""
    if source.max_age is not None:
        return duration_seconds(source.max_age, field="spec.priceSources.maxAge")
    return None if is_table(source) else duration_seconds(DEFAULT_LIVE_MAX_AGE, field="")


def rules_of(source: PriceSource) -> PriceRules:
    """How its prices are watched."""
    band = source.min_change_percent
    if band is None:
        band = 0.0 if is_table(source) else DEFAULT_LIVE_CHANGE_PERCENT
    return PriceRules(
        confirm_seconds=duration_seconds(source.confirm_after, field="spec.priceSources.confirmAfter"),
        max_gap_seconds=_LOOKS_IN_A_GAP * refresh_seconds(source),
        band_percent=band,
    )


def static_price(policies: Iterable[PlacementPolicy], key: PriceKey) -> float | None:
    """Return what the policies' own tables say of it, from which a source's first price is measured; None: nothing."""
    found = policy_price(
        tuple(policies),
        key.gpu,
        capacity_type=key.capacity_type or None,
        zone=key.zone or None,
        instance_type=key.instance_type or None,
    )
    return found.price.per_gpu_hour if found.price is not None else None


# ------------------------------------------------------------------------------------------------------- in words


def held_text(state: PriceState, rules: PriceRules) -> str:
    """Say what is held back and until when; empty: nothing. The same text for as long as it stands."""
    held = state.held
    if held is None:
        return ""
    since = timestamp(_moment(held.since))
    match held.reason:
        case HoldReason.JUMP:
            assert held.price is not None, "a jump is a number"
            against = f" from {_dollars(state.base)}" if state.base is not None else " from the price tables"
            what = f"a jump{against} to {_dollars(held.price)}"
            until = f"; it counts once it has stood for {number(rules.confirm_seconds / 60.0)} minutes"
        case HoldReason.ZERO:
            what, until = "a price of zero", ""
        case HoldReason.NEGATIVE:
            what, until = "a negative price", ""
        case HoldReason.NOT_FINITE:
            what, until = "no finite number", ""
    rest = f"{_dollars(state.in_force)} stays in force" if state.in_force is not None else "it is not in force"
    return f"{held.reason}: {what} since {since}; {rest}{until}"


def _dollars(value: float | None) -> str:
    return "no price" if value is None else f"${number(figure(value), 6)}"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


# ----------------------------------------------------------------------------------------------------- the status


def state_data(source: str, key: PriceKey, state: PriceState, as_of: datetime | None) -> dict[str, Any]:
    """Return what a status keeps of one price."""
    data: dict[str, Any] = {"source": source, "gpu": key.gpu}
    named = {"capacityType": key.capacity_type, "zone": key.zone, "instanceType": key.instance_type}
    data |= {name: value for name, value in named.items() if value}
    if state.in_force is not None:
        data["perGPUHour"] = state.in_force
    if state.since is not None:
        data["since"] = timestamp(_moment(state.since))
    if as_of is not None:
        data["asOf"] = timestamp(as_of)
    if state.held is not None:
        held: dict[str, Any] = {
            "reason": str(state.held.reason),
            "since": timestamp(_moment(state.held.since)),
        }
        if state.held.price is not None:
            held["perGPUHour"] = figure(state.held.price)
        data["heldBack"] = held
    return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One price as a status keeps it."""

    state: PriceState
    as_of: datetime | None


def stored_states(
    status: Mapping[str, Any] | None, rules: Mapping[str, PriceRules], now: float
) -> dict[str, dict[PriceKey, Stored]]:
    """Read what a status keeps, by source; what cannot be read, or is of a source that is no more, is left out.

    Args:
        status: of a PlacementPolicy; None: it has none.
        rules: by name of the source.
        now: Unix time.
    """
    found: dict[str, dict[PriceKey, Stored]] = {}
    for entry in ((status or {}).get("prices") or ())[:MAX_PRICE_STATES]:
        source = entry.get("source")
        if source not in rules or "gpu" not in entry:
            continue
        key = PriceKey(
            gpu=entry["gpu"],
            capacity_type=entry.get("capacityType", ""),
            zone=entry.get("zone", ""),
            instance_type=entry.get("instanceType", ""),
        )
        price = entry.get("perGPUHour")
        since = _seconds(entry.get("since"))
        usable = isinstance(price, int | float) and price > 0
        state = restored(
            in_force=float(price) if usable else None,
            since=(now if since is None else since) if usable else None,
            held=_held(entry.get("heldBack")),
            now=now,
            rules=rules[source],
        )
        found.setdefault(source, {})[key] = Stored(state=state, as_of=read_time(entry.get("asOf")))
    return found


def _held(data: Mapping[str, Any] | None) -> HeldBack | None:
    if not data or data.get("reason") not in set(HoldReason):
        return None
    since = _seconds(data.get("since"))
    if since is None:
        return None
    price = data.get("perGPUHour")
    return HeldBack(
        price=float(price) if isinstance(price, int | float) else None, reason=HoldReason(data["reason"]), since=since
    )


def _seconds(text: Any) -> float | None:
    moment = read_time(text)
    return None if moment is None else moment.timestamp()


def read_time(text: Any) -> datetime | None:
    """Read a time of RFC 3339 or an ISO date, in UTC when it names no zone; None when it is none."""
    if not isinstance(text, str):
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def in_force_of(policy: PlacementPolicy, now: float) -> tuple[LivePrice, ...]:
    """Return the prices that the status of a policy of a cluster says are in force: what its operator plans with."""
    sources = {source.name: source for source in policy.spec.price_sources or ()}
    rules = {name: rules_of(source) for name, source in sources.items()}
    stale = {
        entry.get("name"): str(entry.get("message") or "stale")
        for entry in (policy.status or {}).get("priceSources") or ()
        if entry.get("state") == "Stale"
    }
    found = stored_states(policy.status, rules, now)
    return tuple(
        LivePrice(
            key=key,
            policy=policy.metadata.name,
            source=name,
            per_gpu_hour=stored.state.in_force,
            as_of=stored.as_of or (_moment(stored.state.since) if stored.state.since is not None else None),
            stale=stale.get(name, ""),
            held=held_text(stored.state, rules[name]),
        )
        for name in sources
        for key, stored in found.get(name, {}).items()
    )
