"""The book of answers with a scripted server: one request per query and cycle, and a dead server left in peace."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewright.telemetry.prometheus.answers import Answer, Series
from placewright.telemetry.prometheus.book import Entry, Query, QueryBook, Span
from placewright.telemetry.prometheus.faults import FaultKind, QueryError

SERVER_FAULTS = [kind for kind in FaultKind if kind not in (FaultKind.QUERY_REJECTED, FaultKind.TOO_MANY_SERIES)]


def answer(value: float) -> Answer:
    return Answer(series=(Series(labels={}, points=((0.0, value),)),))


class Scripted:
    """Answers by a function of the expression, and counts."""

    def __init__(self, behave: Callable[[str], float]) -> None:
        self.behave = behave
        self.asked: list[str] = []
        self.ranges: list[tuple[float, float, float]] = []
        self.in_flight = 0
        self.most_in_flight = 0

    async def instant(self, expr: str, at: float | None = None) -> Answer:
        assert at is None
        self.asked.append(expr)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(0)
        self.in_flight -= 1
        return answer(self.behave(expr))

    async def range(self, expr: str, start: float, end: float, step: float) -> Answer:
        self.ranges.append((start, end, step))
        return await self.instant(expr)


class Times:
    """One clock for everything, moved by the test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def failing(kind: FaultKind) -> Callable[[str], float]:
    def behave(_: str) -> float:
        raise QueryError(kind, "as scripted")

    return behave


def book_of(client: Scripted, times: Times, **settings: int) -> QueryBook:
    return QueryBook(client, clock=times, stopwatch=times, **settings)  # type: ignore[arg-type]


def cycle(book: QueryBook, *exprs: str) -> Mapping[Query, Entry]:
    return asyncio.run(book.ask([Query(expr=expr) for expr in exprs]))


def entry(book: QueryBook, expr: str) -> Entry:
    return book.entry(Query(expr=expr))


def test_each_distinct_query_is_asked_once_however_many_want_it() -> None:
    client = Scripted(len)
    book = book_of(client, Times())
    found = cycle(book, "a", "bb", "a", "a", "bb")
    assert sorted(client.asked) == ["a", "bb"]
    assert found[Query(expr="bb")] == Entry(answer=answer(2.0), at=1000.0)
    assert book.counters["Success"] == 2


def test_an_instant_and_a_range_are_two_questions() -> None:
    client = Scripted(len)
    ranged = Query(expr="a", span=Span(seconds=600.0, step_seconds=5.0))
    asyncio.run(book_of(client, Times()).ask([Query(expr="a"), ranged]))
    assert client.asked == ["a", "a"]
    assert client.ranges == [(400.0, 1000.0, 5.0)]


def test_no_more_run_at_once_than_allowed() -> None:
    client = Scripted(len)
    cycle(book_of(client, Times(), parallel=3), *(f"q{index}" for index in range(50)))
    assert client.most_in_flight == 3
    assert len(client.asked) == 50


def test_a_failed_query_keeps_its_last_good_answer_with_its_time() -> None:
    client, times = Scripted(len), Times()
    book = book_of(client, times)
    cycle(book, "a")
    client.behave, times.now = failing(FaultKind.BAD_ANSWER), 1030.0
    cycle(book, "a")
    found = entry(book, "a")
    assert (found.answer, found.at) == (answer(1.0), 1000.0)
    assert found.fault is not None
    assert found.fault.kind is FaultKind.BAD_ANSWER


def test_what_nobody_wants_any_more_is_forgotten() -> None:
    book = book_of(Scripted(len), Times())
    cycle(book, "a", "b")
    cycle(book, "b")
    assert entry(book, "a") == Entry()
    assert entry(book, "b").answer is not None


@pytest.mark.parametrize("kind", SERVER_FAULTS)
def test_a_dead_server_costs_one_round_of_requests_and_then_is_left_in_peace(kind: FaultKind) -> None:
    client, times = Scripted(failing(kind)), Times()
    book = book_of(client, times)
    exprs = [f"q{index}" for index in range(1000)]
    found = cycle(book, *exprs)
    assert len(client.asked) <= 8  # in flight together: one timeout in time
    assert {each.fault.kind for each in found.values() if each.fault} == {kind}
    assert len(found) == 1000
    client.asked.clear()
    times.now += 1.0
    cycle(book, *exprs)
    assert client.asked == []
    assert book.server_fault is not None


def test_pauses_double_up_to_a_minute_and_a_constant_is_asked_for_before_the_queries() -> None:
    client, times = Scripted(failing(FaultKind.TIMEOUT)), Times()
    book = book_of(client, times)
    exprs = [f"q{index}" for index in range(20)]
    tries = []
    for second in range(300):
        times.now = 1000.0 + second
        before = len(client.asked)
        cycle(book, *exprs)
        if second > 0:
            assert set(client.asked[before:]) <= {"vector(1)"}
        if len(client.asked) > before:
            tries.append((second, len(client.asked) - before))
    assert tries == [(0, 8), (5, 1), (15, 1), (35, 1), (75, 1), (135, 1), (195, 1), (255, 1)]
    client.behave, times.now = len, 1400.0
    found = cycle(book, *exprs)
    assert all(each.fault is None for each in found.values())
    assert book.server_fault is None


def test_queries_that_are_wrong_say_nothing_of_the_server() -> None:
    def behave(expr: str) -> float:
        if expr.startswith("bad"):
            raise QueryError(FaultKind.QUERY_REJECTED, "parse error")
        return 1.0

    client = Scripted(behave)
    book = book_of(client, Times())
    cycle(book, *(f"bad{index}" for index in range(30)), *(f"good{index}" for index in range(30)))
    assert len(client.asked) == 60
    assert book.server_fault is None
    assert book.counters["QueryRejected"] == 30


def test_slow_queries_of_one_cannot_take_the_turn_of_others() -> None:
    def behave(expr: str) -> float:
        if expr.startswith("slow"):
            raise QueryError(FaultKind.TIMEOUT, "no answer")
        return 1.0

    client, times = Scripted(behave), Times()
    book = book_of(client, times)
    exprs = [*(f"slow{index}" for index in range(20)), *(f"good{index}" for index in range(20))]
    cycle(book, *exprs)
    for _ in range(4):
        times.now += 120.0
        cycle(book, *exprs)
    assert all(entry(book, f"good{index}").at == times.now for index in range(20))


def test_without_a_server_every_query_says_so() -> None:
    found = asyncio.run(QueryBook(None).ask([Query(expr="a")]))
    assert [str(each.fault) for each in found.values()] == ["Unreachable: no Prometheus server is set"]


def test_another_server_starts_with_an_empty_book_and_no_pause() -> None:
    times = Times()
    book = book_of(Scripted(failing(FaultKind.UNREACHABLE)), times)
    cycle(book, "a")
    other = Scripted(len)
    book.use(other)
    cycle(book, "a")
    assert other.asked == ["a"]
    assert entry(book, "a").fault is None


def test_each_request_is_observed_with_its_result() -> None:
    seen: list[str] = []
    client = Scripted(len)
    times = Times()
    book = QueryBook(client, clock=times, stopwatch=times, observe=lambda result, _: seen.append(result))
    cycle(book, "a")
    client.behave = failing(FaultKind.TOO_LARGE)
    cycle(book, "a")
    assert seen == ["Success", "TooLarge"]


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.sampled_from([None, *FaultKind])),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_happens_every_query_has_an_entry_and_is_asked_at_most_once(
    story: list[tuple[float, FaultKind | None]],
) -> None:
    client, times = Scripted(len), Times()
    book = book_of(client, times)
    exprs = [f"q{index}" for index in range(15)]
    good_at = None
    for pause, kind in story:
        times.now += pause
        client.behave = len if kind is None else failing(kind)
        client.asked.clear()
        found = cycle(book, *exprs)
        assert set(found) == {Query(expr=expr) for expr in exprs}
        assert len(client.asked) == len(set(client.asked))
        for each in found.values():
            assert (each.answer is None) == (each.at is None)
            assert each.answer is not None or each.fault is not None
        assert len(client.asked) <= 8 or kind is None or kind in {FaultKind.QUERY_REJECTED, FaultKind.TOO_MANY_SERIES}
        if kind is None and client.asked:
            good_at = times.now
            assert all(each == Entry(answer=each.answer, at=good_at) for each in found.values())
        elif good_at is not None:
            assert all(each.at == good_at for each in found.values())


def test_a_server_that_falls_silent_is_logged_once_and_once_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="placewright.telemetry.prometheus.book")
    client, times = Scripted(failing(FaultKind.UNREACHABLE)), Times()
    book = book_of(client, times)
    for _ in range(3):
        cycle(book, "a", "b")
        times.now += 120.0
    client.behave = len
    for _ in range(2):
        cycle(book, "a", "b")
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", "Prometheus does not answer; figures in force stay"),
        ("INFO", "Prometheus answers again"),
    ]
