"""The client against servers that misbehave: every fault is typed, bounded, and shows no credential."""

import asyncio
import math
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from placewright.core.errors import InvalidRequestError
from placewright.telemetry.prometheus.client import (
    Answer,
    FaultKind,
    PrometheusClient,
    QueryError,
    Server,
    Token,
    server_at,
    session_for,
)
from tests.controlplane.pki import create
from tests.support import bad_prometheus as bad

T = TypeVar("T")
SECRET = "s3cr3t-token-of-the-operator"


def run(url: str, work: Callable[[PrometheusClient], Awaitable[T]], **settings: Any) -> T:
    async def inside() -> T:
        server = Server(url=url, **{"timeout_seconds": 5.0, **settings})
        async with session_for(server) as session:
            return await work(PrometheusClient(session, server))

    return asyncio.run(inside())


def ask(url: str, **settings: Any) -> Answer:
    return run(url, lambda client: client.instant("up"), **settings)


def fault(behaviour: bad.Behaviour, **settings: Any) -> QueryError:
    with bad.BadPrometheus(behaviour) as server, pytest.raises(QueryError) as caught:
        ask(server.url, **settings)
    return caught.value


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    return str(file)


def test_a_query_is_posted_with_its_bounds_and_the_token(token_file: str) -> None:
    with bad.BadPrometheus(bad.figure("42")) as server:
        answer = ask(server.url, token_file=token_file, max_series=7)
        run(server.url, lambda client: client.range("up", 10.0, 20.5, 0.25))
    assert answer.series[0].points[0][1] == 42.0
    instant, ranged = server.seen
    assert instant.path == "/api/v1/query"
    assert instant.form == {"query": "up", "timeout": "5000ms", "limit": "8"}
    assert instant.headers["authorization"] == f"Bearer {SECRET}"
    assert ranged.path == "/api/v1/query_range"
    assert (ranged.form["start"], ranged.form["end"], ranged.form["step"]) == ("10.000", "20.500", "0.250")
    assert "authorization" not in ranged.headers


HUGE_NUMBER = bad.success(bad.vector("1_000"))
FAULTS: list[tuple[str, bad.Behaviour, FaultKind, str]] = [
    ("garbage", bad.body("<html>hello"), FaultKind.BAD_ANSWER, "Invalid JSON"),
    ("nothing", bad.body(""), FaultKind.BAD_ANSWER, "Invalid JSON"),
    ("another JSON", bad.body('{"status": "success"}'), FaultKind.BAD_ANSWER, "data: Field required"),
    ("a list", bad.body("[]"), FaultKind.BAD_ANSWER, "object"),
    ("a value that is no number", bad.body(HUGE_NUMBER), FaultKind.BAD_ANSWER, "'1_000', wants a number"),
    ("a string", bad.body(bad.success({"resultType": "string", "result": [1, "x"]})), FaultKind.BAD_ANSWER, "string"),
    (
        "an error in a 200",
        bad.body('{"status": "error", "errorType": "x", "error": "y"}'),
        FaultKind.BAD_ANSWER,
        "status",
    ),
    ("half an answer", bad.half, FaultKind.BAD_ANSWER, "cut off"),
    ("no HTTP", bad.no_http, FaultKind.BAD_ANSWER, "no HTTP answer"),
    ("a closed connection", bad.hang_up, FaultKind.UNREACHABLE, "disconnected"),
    ("500", bad.body("boom", 500), FaultKind.STATUS, "HTTP 500"),
    ("503 of Prometheus", bad.refusal(503, "unavailable", "starting"), FaultKind.STATUS, "unavailable: starting"),
    ("401", bad.body("who are you", 401), FaultKind.STATUS, "HTTP 401"),
    ("a slow evaluation", bad.refusal(503, "timeout", "query timed out"), FaultKind.TIMEOUT, "query timed out"),
    ("a wrong query", bad.refusal(400, "bad_data", "parse error"), FaultKind.QUERY_REJECTED, "parse error"),
    ("a 400 of a proxy", bad.body("no", 400), FaultKind.STATUS, "HTTP 400"),
    ("a query that fails", bad.refusal(422, "execution", "many-to-many"), FaultKind.QUERY_REJECTED, "many-to-many"),
    ("more series than allowed", bad.many(1001), FaultKind.TOO_MANY_SERIES, "more than 1000 series"),
]


@pytest.mark.parametrize(("behaviour", "kind", "part"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_every_fault_has_its_kind_and_one_line(behaviour: bad.Behaviour, kind: FaultKind, part: str) -> None:
    found = fault(behaviour)
    assert found.kind is kind, found
    assert part in str(found)
    assert "\n" not in str(found)


def test_nobody_listens() -> None:
    with bad.BadPrometheus(bad.empty) as server:
        url = server.url
    with pytest.raises(QueryError) as caught:
        ask(url)
    assert caught.value.kind is FaultKind.UNREACHABLE


@pytest.mark.parametrize("behaviour", [bad.slow, bad.drip], ids=["silence", "a byte now and then"])
def test_a_slow_answer_ends_with_the_timeout(behaviour: bad.Behaviour) -> None:
    began = time.monotonic()
    found = fault(behaviour, timeout_seconds=0.4)
    assert found.kind is FaultKind.TIMEOUT
    assert found.text == "no answer in 0.4 s"
    assert time.monotonic() - began < 20.0  # the server itself would take a minute, or for ever


def test_a_huge_answer_is_read_no_further_than_allowed() -> None:
    found = fault(bad.huge, max_bytes=1_000_000)
    assert (found.kind, found.text) == (FaultKind.TOO_LARGE, "more than 1000000 bytes")


def test_an_endless_error_page_is_not_read_to_its_end() -> None:
    def endless(server: bad.BadPrometheus, handler: bad.Handler, seen: bad.Seen) -> None:
        handler.send_response_only(500)
        bad.huge_body(server, handler, seen)

    assert fault(endless).text == "HTTP 500"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_so_the_token_goes_nowhere_else(token_file: str, status: int) -> None:
    with bad.BadPrometheus(bad.figure("1")) as other:
        found = fault(bad.redirect(f"{other.url}/api/v1/query", status), token_file=token_file)
    assert other.seen == []
    assert (found.kind, found.text) == (FaultKind.STATUS, f"HTTP {status}: redirects are not followed")


def test_a_packed_answer_is_not_unpacked() -> None:
    def packed(_: bad.BadPrometheus, handler: bad.Handler, __: bad.Seen) -> None:
        handler.say(200, "\x1f\x8b", Content_Encoding="gzip")

    assert fault(packed).kind is FaultKind.BAD_ANSWER


def test_a_server_that_repeats_the_token_does_not_get_it_shown(token_file: str) -> None:
    found = fault(bad.echo, token_file=token_file)
    assert SECRET not in str(found)
    assert "[token]" in str(found)
    worded = fault(bad.body(bad.success(bad.vector(SECRET))), token_file=token_file)
    assert SECRET[:8] not in str(worded)


@pytest.mark.parametrize(
    "spelling", ["".join(f"\\u{ord(char):04X}" for char in SECRET), f"\\u{ord(SECRET[0]):04x}{SECRET[1:]}"]
)
def test_nor_by_writing_it_with_escapes(token_file: str, spelling: str) -> None:
    said = f'{{"status":"error","errorType":"bad_data","error":"{spelling}"}}'
    assert str(fault(bad.body(said, 400), token_file=token_file)) == "QueryRejected: HTTP 400: bad_data: [token]"
    labelled = bad.success(bad.vector("1")).replace('"n": "0"', f'"gpu": "{spelling}"')
    with bad.BadPrometheus(bad.body(labelled)) as server:
        (series,) = ask(server.url, token_file=token_file).series
    assert series.labels == {"gpu": "[token]"}


@pytest.mark.parametrize(
    "folder", ["var/run/secrets/kubernetes.io/serviceaccount", "run/secrets/eks.amazonaws.com/serviceaccount", "proc/1"]
)
def test_a_policy_cannot_have_the_operators_own_token_sent(tmp_path: Path, folder: str) -> None:
    file = tmp_path / folder / "token"
    file.parent.mkdir(parents=True)
    file.write_text(SECRET)
    link = tmp_path / "prometheus-token"
    link.symlink_to(file)
    for path in (file, link):
        with pytest.raises(QueryError, match="wants a file that is not the operator's own") as caught:
            Token(str(path), own=False, root=tmp_path).value()
        assert caught.value.kind is FaultKind.CREDENTIALS
        assert Token(str(path), own=True, root=tmp_path).value() == SECRET


def test_a_token_file_that_never_ends_is_no_file() -> None:
    with pytest.raises(QueryError, match="got no file"):
        Token("/dev/zero").value()


def test_the_token_follows_its_file_when_that_is_rotated(tmp_path: Path) -> None:
    first, second, link = tmp_path / "1", tmp_path / "2", tmp_path / "token"
    first.write_text("one")
    second.write_text("two")
    link.symlink_to(first)

    async def twice(client: PrometheusClient) -> None:
        await client.instant("up")
        (tmp_path / "fresh").symlink_to(second)
        (tmp_path / "fresh").replace(link)
        await client.instant("up")

    with bad.BadPrometheus(bad.empty) as server:
        run(server.url, twice, token_file=str(link))
    assert [seen.headers["authorization"] for seen in server.seen] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("content", ["", "two words", "line\nline", "é", "x" * 70000])
def test_a_token_that_is_none_is_a_fault_without_its_text(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(QueryError) as caught:
        Token(str(file)).value()
    assert caught.value.kind is FaultKind.CREDENTIALS
    assert "got no token, wants one on a single line" in str(caught.value)
    assert not content or content not in str(caught.value)


def test_a_missing_token_file_is_a_fault_and_no_query_without_a_token(tmp_path: Path) -> None:
    with bad.BadPrometheus(bad.empty) as server, pytest.raises(QueryError) as caught:
        ask(server.url, token_file=str(tmp_path / "none"))
    assert caught.value.kind is FaultKind.CREDENTIALS
    assert server.seen == []


def test_no_repr_shows_the_token(token_file: str) -> None:
    token = Token(token_file)
    assert token.value() == SECRET
    assert SECRET not in repr(token)


def test_values_are_read_as_prometheus_writes_them() -> None:
    values = ["NaN", "+Inf", "-Inf", "1e+06", "0.5", "-3", ".5", "7."]
    with bad.BadPrometheus(bad.body(bad.success(bad.vector(*values), warnings=["PromQL info: x\ny"]))) as server:
        answer = ask(server.url)
    found = [series.points[0][1] for series in answer.series]
    assert math.isnan(found[0])
    assert found[1:] == [math.inf, -math.inf, 1e6, 0.5, -3.0, 0.5, 7.0]
    assert answer.warnings == ("PromQL info: x y",)


def test_a_scalar_is_one_series() -> None:
    with bad.BadPrometheus(bad.body(bad.success({"resultType": "scalar", "result": [5, "3"]}))) as server:
        assert ask(server.url).series[0].points == ((5.0, 3.0),)


def test_points_out_of_order_are_a_fault() -> None:
    data = {"resultType": "matrix", "result": [{"metric": {}, "values": [[2, "1"], [1, "1"]]}]}
    assert "ascending" in fault(bad.body(bad.success(data))).text


@pytest.mark.parametrize(
    "url",
    [
        "prometheus:9090",
        "ftp://prometheus",
        "http://",
        "http://host:99999",
        "http://host:0",
        "http://host?x=1",
        "http://host#x",
        "http://ho st",
        "http://host/\n",
        "",
    ],
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="--prometheus-url: got"):
        server_at(url)


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        server_at("http://me:hunter2@host:9090")
    assert "hunter2" not in str(caught.value)


def test_a_url_may_have_a_path() -> None:
    assert server_at("https://mimir.example/prometheus/").url == "https://mimir.example/prometheus"


def test_a_certificate_is_checked_with_the_ca_file(tmp_path: Path, token_file: str) -> None:
    pki = create(tmp_path / "pki")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server_certificate, pki.server_key)
    with bad.BadPrometheus(bad.figure("1"), context) as server:
        assert ask(server.url, ca_file=str(pki.ca), token_file=token_file).series[0].points[0][1] == 1.0
        with pytest.raises(QueryError) as caught:
            ask(server.url, token_file=token_file)  # the system knows no such authority
    assert caught.value.kind is FaultKind.UNREACHABLE
    assert len(server.seen) == 1  # nobody else got the token


def test_a_ca_file_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    for make in (lambda: None, lambda: file.write_text("no certificate")):
        make()
        with pytest.raises(InvalidRequestError, match="wants certificates in PEM"):
            session_for(Server(url="https://host", ca_file=str(file)))
