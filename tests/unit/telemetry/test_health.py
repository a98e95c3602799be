from dataclasses import replace

import pytest

from placewright.telemetry.health import Health, Heartbeats

WELL = Heartbeats(
    loop=1000.0,
    list_ok=990.0,
    watch_event=995.0,
    list_found_changes=None,
    queue_waiting_since=None,
    progress=999.0,
    solver_alive=True,
    solve_limit_seconds=0.0,
)


def _health(beats: Heartbeats, now: float = 1000.0) -> Health:
    clock = iter([0.0])
    health = Health(lambda: beats, relist_seconds=100.0, clock=lambda: next(clock, now))
    health.waiting_for = ""
    return health


def test_a_well_operator_is_live_and_ready() -> None:
    assert _health(WELL).live().ok
    assert _health(WELL).ready().ok
    assert _health(WELL).live().text == "ok\n"


@pytest.mark.parametrize(
    ("beats", "fault"),
    [
        (replace(WELL, loop=985.0), "event loop"),
        (replace(WELL, loop=None), "event loop"),
        (replace(WELL, list_ok=600.0, watch_event=630.0), "neither LIST nor watch"),
        (replace(WELL, list_found_changes=840.0, watch_event=830.0), "the watch has been silent for 160 s"),
        (replace(WELL, queue_waiting_since=800.0, progress=800.0), "none was finished for 200 s"),
        (replace(WELL, queue_waiting_since=800.0, progress=None), "none was finished for 200 s"),
        (replace(WELL, solver_alive=False), "solver processes"),
    ],
)
def test_each_missing_heartbeat_fails_liveness_and_says_which(beats: Heartbeats, fault: str) -> None:
    verdict = _health(beats).live()
    assert not verdict.ok
    assert fault in verdict.text


@pytest.mark.parametrize(
    "beats",
    [
        replace(WELL, list_ok=600.0, watch_event=900.0),  # the watch alone shows that the server talks to us
        replace(WELL, list_ok=None, watch_event=None),  # not started yet: readiness says so
        replace(WELL, list_found_changes=840.0, watch_event=841.0),  # the watch spoke after the LIST
        replace(WELL, list_found_changes=900.0, watch_event=830.0),  # it still has time to reconnect
        replace(WELL, queue_waiting_since=800.0, progress=990.0),  # a long queue that moves
        replace(WELL, queue_waiting_since=800.0, progress=800.0, solve_limit_seconds=300.0),  # a long solve
    ],
)
def test_what_a_restart_would_not_mend_does_not_fail_liveness(beats: Heartbeats) -> None:
    assert _health(beats).live().ok


def test_readiness_tells_what_is_waited_for() -> None:
    health = _health(WELL)
    health.waiting_for = "the CustomResourceDefinition"
    assert health.ready().text == "waiting for the CustomResourceDefinition\n"
    assert not _health(replace(WELL, list_ok=None)).ready().ok


def test_faults_that_no_restart_mends_are_told_by_readiness_and_fail_nothing() -> None:
    told = ["audit journal: no space left on device", "Prometheus: Timeout"]
    health = Health(lambda: WELL, relist_seconds=100.0, clock=lambda: 1000.0, notices=lambda: told)
    assert health.ready().text == "waiting for the operator to start\n"
    health.waiting_for = ""
    assert health.ready().ok
    assert health.ready().text == (
        "ok\ndegraded: audit journal: no space left on device\ndegraded: Prometheus: Timeout\n"
    )
    assert health.live().text == "ok\n"
    told.clear()
    assert health.ready().text == "ok\n"
