from datetime import UTC, datetime
from math import nan
from typing import Any

import pytest

from placewright.api.live_prices import Stored, in_force_of, rules_of, stored_states
from placewright.api.price_rows import LivePrice, PriceKey, PriceRow
from placewright.api.price_sources import PriceSource
from placewright.telemetry.prices.errors import PriceSourceError
from placewright.telemetry.prices.watch import FORGOTTEN_SECONDS, PriceEventKind, SourceWatch
from tests.support.fleet_resources import policy

MINUTE, HOUR = 60.0, 3600.0
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
L40S, H100 = PriceKey(gpu="L40S"), PriceKey(gpu="H100", capacity_type="Spot")


def source(**changes: Any) -> PriceSource:
    """Of Prometheus; keywords replace its fields, None removes one."""
    given = {"name": "prom", "prometheus": {"query": "price"}, **changes}
    return PriceSource.model_validate({name: value for name, value in given.items() if value is not None})


def table(**changes: Any) -> PriceSource:
    return source(name="finops", prometheus=None, file={"path": "p.csv"}, **changes)


def watching(given: PriceSource, stored: dict[PriceKey, Stored] | None = None, *, now: float = NOON) -> SourceWatch:
    return SourceWatch("default", given, stored or {}, now)


def take(watch: SourceWatch, now: float, *rows: PriceRow, **prices: float) -> list[PriceEventKind]:
    """One read at a time; keywords are prices by GPU."""
    given = (*rows, *(PriceRow(key=PriceKey(gpu=gpu), per_gpu_hour=price) for gpu, price in prices.items()))
    return [event.kind for event in watch.take(given, now, reference=lambda _: None)]


def away(text: str = "prometheus.query: got Timeout, wants an answer") -> PriceSourceError:
    return PriceSourceError(text, broken=False)


def one(watch: SourceWatch, now: float) -> LivePrice:
    (price,) = watch.prices(now)
    return price


def test_a_price_is_in_force_since_it_was_first_read_and_small_changes_do_not_count() -> None:
    watch = watching(source())
    assert take(watch, NOON, L40S=2.0) == [PriceEventKind.TAKEN]
    assert take(watch, NOON + MINUTE, L40S=2.01) == []
    first = one(watch, NOON + MINUTE)
    assert first == LivePrice(
        key=L40S, policy="default", source="prom", per_gpu_hour=2.0, as_of=datetime.fromtimestamp(NOON, tz=UTC)
    )
    assert take(watch, NOON + 2 * MINUTE, L40S=2.1) == [PriceEventKind.TAKEN]
    assert one(watch, NOON + 2 * MINUTE).per_gpu_hour == 2.1


def test_a_table_counts_to_the_cent_and_has_the_date_that_it_gives() -> None:
    watch = watching(table())
    date = datetime(2026, 11, 1, tzinfo=UTC)
    take(watch, NOON, PriceRow(key=L40S, per_gpu_hour=2.0, as_of=date))
    assert one(watch, NOON).as_of == date
    take(watch, NOON + MINUTE, L40S=2.001)
    assert one(watch, NOON + MINUTE).per_gpu_hour == 2.001
    assert one(watch, NOON + MINUTE).as_of == datetime.fromtimestamp(NOON + MINUTE, tz=UTC)


def test_a_jump_is_told_held_back_confirmed_and_in_force() -> None:
    watch = watching(source(confirmAfter="2m"))
    take(watch, NOON, L40S=2.0)
    assert take(watch, NOON + MINUTE, L40S=80.0) == [PriceEventKind.HELD_BACK]
    held = one(watch, NOON + MINUTE)
    assert held.per_gpu_hour == 2.0
    assert held.held == (
        "Jump: a jump from $2 to $80 since 2026-11-21T12:01:00Z; $2 stays in force; it counts once it has stood for"
        " 2 minutes"
    )
    assert take(watch, NOON + 2 * MINUTE, L40S=79.0) == []
    assert one(watch, NOON + 2 * MINUTE) == held  # the same for as long as it stands
    assert take(watch, NOON + 3 * MINUTE, L40S=80.0) == [PriceEventKind.CONFIRMED]
    assert one(watch, NOON + 3 * MINUTE).per_gpu_hour == 80.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "Zero: a price of zero since 2026-11-21T12:01:00Z; $2 stays in force"),
        (-1.0, "Negative: a negative price since 2026-11-21T12:01:00Z; $2 stays in force"),
        (nan, "NotFinite: no finite number since 2026-11-21T12:01:00Z; $2 stays in force"),
    ],
)
def test_what_is_no_price_is_told_and_recovers(value: float, text: str) -> None:
    watch = watching(source())
    take(watch, NOON, L40S=2.0)
    assert take(watch, NOON + MINUTE, L40S=value) == [PriceEventKind.HELD_BACK]
    assert (one(watch, NOON + MINUTE).held, one(watch, NOON + MINUTE).per_gpu_hour) == (text, 2.0)
    assert take(watch, NOON + 2 * MINUTE, L40S=2.2) == [PriceEventKind.RECOVERED]
    assert one(watch, NOON + 2 * MINUTE).held == ""


def test_a_first_price_far_from_the_tables_is_held_back() -> None:
    watch = watching(table())
    events = watch.take([PriceRow(key=L40S, per_gpu_hour=249.0)], NOON, reference=lambda _: 2.49)
    assert [event.kind for event in events] == [PriceEventKind.HELD_BACK]
    assert (events[0].old, events[0].new) == (None, None)
    price = one(watch, NOON)
    assert price.per_gpu_hour is None
    assert price.held.startswith("Jump: a jump from the price tables to $249 since")
    assert "it is not in force" in price.held


def test_a_live_source_that_is_away_is_stale_after_a_while_and_its_price_stays() -> None:
    watch = watching(source(maxAge="10m"))
    take(watch, NOON, L40S=2.0)
    watch.fail(away())
    assert one(watch, NOON + 10 * MINUTE).stale == ""
    stale = one(watch, NOON + 11 * MINUTE)
    assert stale.per_gpu_hour == 2.0
    assert stale.stale == ("not read since 2026-11-21T12:00:00Z: prometheus.query: got Timeout, wants an answer")
    watch.fail(away("something else"))
    assert one(watch, NOON + 12 * MINUTE) == stale  # nothing new is told while nothing is new
    assert watch.state_data(NOON + 12 * MINUTE)["state"] == "Stale"

    take(watch, NOON + 13 * MINUTE, L40S=2.0)
    assert one(watch, NOON + 13 * MINUTE).stale == ""
    assert watch.state_data(NOON + 13 * MINUTE) == {"name": "prom", "state": "Fresh"}


def test_a_sample_is_as_old_as_it_says() -> None:
    watch = watching(source(maxAge="10m"))
    old = datetime.fromtimestamp(NOON - 11 * MINUTE, tz=UTC)
    take(watch, NOON, PriceRow(key=L40S, per_gpu_hour=2.0, as_of=old))
    assert one(watch, NOON).stale == "of 2026-11-21T11:49:00Z, and none newer is given"


def test_a_table_is_stale_at_once_when_it_is_broken_and_keeps_the_last_good_prices() -> None:
    watch = watching(table())
    take(watch, NOON, L40S=2.0, H100=3.0)
    watch.fail(PriceSourceError("p.csv:2: pricePerGPUHour: got 'x', wants USD per GPU and hour"))
    assert [(price.per_gpu_hour, price.stale) for price in watch.prices(NOON + 1)] == [
        (3.0, "p.csv:2: pricePerGPUHour: got 'x', wants USD per GPU and hour"),
        (2.0, "p.csv:2: pricePerGPUHour: got 'x', wants USD per GPU and hour"),
    ]
    watch.fail(PriceSourceError("p.csv:3: another"))
    assert watch.state_data(NOON) == {"name": "finops", "state": "Stale", "message": "p.csv:3: another"}


def test_a_table_without_an_age_limit_may_be_out_of_reach_for_ten_minutes() -> None:
    watch = watching(table())
    take(watch, NOON, PriceRow(key=L40S, per_gpu_hour=2.0, as_of=datetime(2020, 1, 1, tzinfo=UTC)))
    watch.fail(away("ConfigMap a/b: got no answer of the API server, wants it"))
    assert one(watch, NOON + 10 * MINUTE).stale == ""
    assert one(watch, NOON + 11 * MINUTE).stale.startswith("not read since 2026-11-21T12:00:00Z: ConfigMap a/b")


def test_a_table_with_an_age_limit_is_as_old_as_its_rows() -> None:
    watch = watching(table(maxAge="24h"))
    take(watch, NOON, PriceRow(key=L40S, per_gpu_hour=2.0, as_of=datetime(2026, 11, 20, 11, tzinfo=UTC)))
    assert one(watch, NOON).stale == "of 2026-11-20T11:00:00Z, and none newer is given"


def test_a_row_that_a_table_drops_is_gone_and_one_that_a_live_source_drops_stays_for_a_week() -> None:
    listed, live = watching(table()), watching(source())
    for watch in (listed, live):
        take(watch, NOON, L40S=2.0, H100=3.0)
    assert take(listed, NOON + MINUTE, L40S=2.0) == [PriceEventKind.GONE]
    assert listed.count == 1

    assert take(live, NOON + 2 * HOUR, L40S=2.0) == []
    stale = {price.key.gpu: price.stale for price in live.prices(NOON + 2 * HOUR)}
    assert stale == {"H100": "of 2026-11-21T12:00:00Z, and none newer is given", "L40S": ""}
    assert take(live, NOON + FORGOTTEN_SECONDS + 1, L40S=2.0) == [PriceEventKind.GONE]


def test_a_source_that_points_elsewhere_keeps_its_prices_until_that_was_read() -> None:
    watch = watching(source())
    take(watch, NOON, L40S=2.0, H100=3.0)
    watch.change(source(prometheus={"query": "other"}))
    assert not watch.tried
    assert watch.count == 2
    assert take(watch, NOON + MINUTE, L40S=90.0) == [PriceEventKind.HELD_BACK, PriceEventKind.GONE]
    assert one(watch, NOON + MINUTE).per_gpu_hour == 2.0


def test_what_was_never_read_says_so() -> None:
    watch = watching(source())
    assert watch.state_data(NOON) == {"name": "prom", "state": "Unread", "message": "it is not read yet"}
    watch.fail(away())
    assert watch.state_data(NOON)["message"] == "prometheus.query: got Timeout, wants an answer"
    assert watch.prices(NOON) == ()


# ------------------------------------------------------------------------------------------------- across restarts


def stored(watch: SourceWatch) -> dict[str, Any]:
    return {"priceSources": [watch.state_data(NOON)], "prices": watch.price_data()}


def test_a_restarted_operator_goes_on_with_what_the_status_keeps() -> None:
    given = source(confirmAfter="10m")
    watch = watching(given)
    take(watch, NOON, PriceRow(key=H100, per_gpu_hour=1 / 3), L40S=2.0)
    for minute in range(1, 6):
        take(watch, NOON + minute * MINUTE, PriceRow(key=H100, per_gpu_hour=1 / 3), L40S=80.0)
    now = NOON + 5 * MINUTE
    status = stored(watch)
    again = watching(given, stored_states(status, {"prom": rules_of(given)}, now)["prom"], now=now)
    assert again.prices(now) == watch.prices(now)
    assert again.price_data() == watch.price_data()

    for minute in range(5, 11):
        take(again, NOON + minute * MINUTE, L40S=80.0)
    assert {price.key: price.per_gpu_hour for price in again.prices(NOON)}[L40S] == 2.0
    take(again, NOON + 11 * MINUTE, L40S=80.0)
    assert {price.key: price.per_gpu_hour for price in again.prices(NOON)} == {H100: 1 / 3, L40S: 80.0}


def test_the_status_of_a_cluster_tells_what_its_operator_has_in_force() -> None:
    watch = watching(source())
    take(watch, NOON, L40S=2.0)
    take(watch, NOON + MINUTE, L40S=0.0)
    spec = [source().model_dump(by_alias=True, exclude_none=True), {"name": "other", "file": {"path": "a.csv"}}]
    read = policy("default", priceSources=spec).model_copy(update={"status": stored(watch)})
    assert in_force_of(read, NOON + MINUTE) == watch.prices(NOON + MINUTE)


@pytest.mark.parametrize(
    "status",
    [
        None,
        {},
        {"prices": None},
        {"prices": [{"source": "prom"}]},
        {"prices": [{"source": "gone", "gpu": "L40S", "perGPUHour": 1}]},
    ],
)
def test_a_status_that_tells_nothing_is_nothing(status: dict[str, Any] | None) -> None:
    assert stored_states(status, {"prom": rules_of(source())}, NOON) == {}


@pytest.mark.parametrize(
    "entry",
    [
        {"perGPUHour": -1, "since": "x"},
        {"perGPUHour": "2"},
        {"heldBack": {"reason": "Odd", "since": "2026-11-21T12:00:00Z"}},
        {"heldBack": {"reason": "Jump", "since": "soon"}},
        {"heldBack": 0},
    ],
)
def test_what_somebody_else_wrote_into_a_status_is_not_believed(entry: dict[str, Any]) -> None:
    found = stored_states({"prices": [{"source": "prom", "gpu": "L40S", **entry}]}, {"prom": rules_of(source())}, NOON)[
        "prom"
    ][L40S]
    assert found.state.in_force is None
    assert found.state.held is None
