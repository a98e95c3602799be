import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, Gauge

from placewright.core.errors import InvalidRequestError
from placewright.telemetry.health import Health, Heartbeats
from placewright.telemetry.server import HttpServer, parse_address
from tests.unit.telemetry.test_health import WELL


class Subject:
    def __init__(self) -> None:
        self.beats: Heartbeats = WELL
        registry = CollectorRegistry()
        Gauge("placewright_test", "A test.", registry=registry).set(5)
        self.health = Health(lambda: self.beats, relist_seconds=100.0, clock=lambda: 1000.0)
        self.health.waiting_for = ""
        self.server = HttpServer(("127.0.0.1", 0), registry=registry, health=self.health)
        self.server.start()

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def subject() -> Iterator[Subject]:
    made = Subject()
    yield made
    made.server.stop()


def test_probes_follow_the_heartbeats(subject: Subject) -> None:
    assert subject.get("/healthz") == (200, "ok\n")
    assert subject.get("/readyz") == (200, "ok\n")
    subject.beats = replace(WELL, loop=900.0)
    assert subject.get("/healthz") == (503, "the event loop has not run for 100 s\n")
    subject.health.waiting_for = "the CRD"
    assert subject.get("/readyz") == (503, "waiting for the CRD\n")


def test_metrics_are_served_as_prometheus_text(subject: Subject) -> None:
    status, text = subject.get("/metrics")
    assert status == 200
    assert "placewright_test 5.0" in text


def test_other_paths_say_what_there_is(subject: Subject) -> None:
    assert subject.get("/secret") == (404, "there are /healthz, /readyz and /metrics\n")


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), (":8080", ("0.0.0.0", 8080)), ("[::1]:9000", ("::1", 9000))],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["8080", "host:", "host:http", "host:99999", ""])
def test_bad_addresses_say_what_is_wanted(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="HOST:PORT"):
        parse_address(text)
