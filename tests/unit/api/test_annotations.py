"""What annotations ask for, and what of them means nothing."""

from typing import Any

import pytest

from placewright.api import annotations
from placewright.api.convert import to_request
from placewright.api.parse import parse
from placewright.core.model import RampCommand
from tests.support.resources import Json, small_request

PLAN = "p-3f9c2a1b0d"
FAILED_AT = "2026-11-21T10:00:00Z"
OTHER = "p-0000000000"


def annotated(**given: str) -> Json:
    """A resource with annotations of ours, named without their prefix, - as _."""
    return {"metadata": {"annotations": {f"placewright.dev/{k.replace('_', '-')}": v for k, v in given.items()}}}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, RampCommand.NONE),
        ({"ramp": "pause"}, RampCommand.PAUSE),
        ({"ramp": "Pause"}, RampCommand.NONE),
        ({"ramp_promote": f"{PLAN}/1"}, RampCommand.PROMOTE),
        ({"ramp_promote": f"{PLAN}/0"}, RampCommand.NONE),  # it has been done
        ({"ramp_promote": f"{PLAN}/2"}, RampCommand.NONE),  # a step is never skipped
        ({"ramp_promote": f"{OTHER}/1"}, RampCommand.NONE),
        ({"ramp_promote": PLAN}, RampCommand.NONE),
        ({"ramp_rollback": PLAN}, RampCommand.ROLLBACK),
        ({"ramp_rollback": OTHER}, RampCommand.NONE),
        ({"ramp": "pause", "ramp_promote": f"{PLAN}/1"}, RampCommand.PAUSE),
        ({"ramp": "pause", "ramp_promote": f"{PLAN}/1", "ramp_rollback": PLAN}, RampCommand.ROLLBACK),
    ],
)
def test_a_command_is_about_the_plan_and_the_step_that_it_names(given: dict[str, str], asked: RampCommand) -> None:
    assert annotations.ramp_command(annotated(**given), PLAN, 1) is asked


@pytest.mark.parametrize("resource", [{}, {"metadata": {}}, {"metadata": {"annotations": None}}])
def test_without_annotations_nothing_is_asked(resource: Json) -> None:
    assert annotations.ramp_command(resource, PLAN, 0) is RampCommand.NONE
    assert annotations.rollback_to(resource) == ""
    assert annotations.actor_of(resource) == ""
    assert annotations.faults_of(resource) == ()


@pytest.mark.parametrize(
    ("given", "plan_id"),
    [(PLAN, PLAN), ("", ""), ("p-", ""), ("3f9c2a", ""), ("p-3F9C", ""), (f"{PLAN}\n", ""), (f"{PLAN} ", "")],
)
def test_only_a_plan_id_is_rolled_back_to(given: str, plan_id: str) -> None:
    assert annotations.rollback_to(annotated(rollback_to=given)) == plan_id


def test_the_actor_is_short_printable_text() -> None:
    assert annotations.actor_of(annotated(actor="  ana@example.com\n\x1b[31m")) == "ana@example.com[31m"
    assert len(annotations.actor_of(annotated(actor="x" * 5000))) == annotations.MAX_ACTOR


def test_the_digest_changes_with_every_command_and_not_with_the_actor() -> None:
    names = ("ramp", "ramp_promote", "ramp_rollback", "rollback_to")
    digests = {annotations.commands_digest(annotated(**{name: "a"})) for name in names}

    assert len(digests | {annotations.commands_digest({})}) == len(names) + 1
    assert annotations.commands_digest(annotated(actor="a", other="b")) == annotations.commands_digest({})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"ramp": "stop"},
            "metadata.annotations[placewright.dev/ramp]: got 'stop', wants 'pause', or no such annotation",
        ),
        ({"ramp_promote": PLAN}, f"[placewright.dev/ramp-promote]: got '{PLAN}', wants '<plan id>/<step>'"),
        ({"ramp_promote": f"{PLAN}/01"}, "wants '<plan id>/<step>'"),
        ({"ramp_rollback": "all"}, "[placewright.dev/ramp-rollback]: got 'all', wants the id of a plan"),
        ({"rollback_to": "x" * 500}, "[placewright.dev/rollback-to]: got 'xxxxx"),
    ],
)
def test_what_means_nothing_is_one_line(given: dict[str, str], said: str) -> None:
    (fault,) = annotations.faults_of(annotated(**given))

    assert said in fault
    assert len(fault) < 250


def test_the_owner_of_a_request_is_told_of_what_means_nothing() -> None:
    body: dict[str, Any] = small_request()
    body["metadata"] |= annotated(ramp="stop")["metadata"]

    (note,) = to_request(parse(body)).notes

    assert note.endswith("it is passed over")


# ------------------------------------------------------------------------------------------ what is done to workloads


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, ""),
        ({"pause": "the fair is on"}, "the fair is on"),
        ({"pause": ""}, "nobody says why"),
        ({"pause": "\x00\n"}, "nobody says why"),
        ({"pause": "False"}, ""),
        ({"pause": "x" * 300}, "x" * 256),
    ],
)
def test_a_pause_says_why(given: dict[str, str], why: str) -> None:
    assert annotations.pause_of(annotated(**given)) == why


@pytest.mark.parametrize(
    ("value", "obeyed"),
    [
        (f"{PLAN}/{FAILED_AT}", True),
        ("", False),
        ("yes", False),
        (PLAN, False),
        (f"{PLAN}/2026-11-21T09:00:00Z", False),
        (f"p-0/{FAILED_AT}", False),
    ],
)
def test_a_retry_names_the_failure_that_it_is_about(value: str, *, obeyed: bool) -> None:
    status = {"rollout": {"planId": PLAN, "phase": "Failed", "failedAt": FAILED_AT}}
    assert annotations.retries({**annotated(retry=value), "status": status}) is obeyed
    assert not annotations.retries(annotated(retry=value))
    assert annotations.retry_word(status) == f"{PLAN}/{FAILED_AT}"
    assert annotations.retry_word({"rollout": {"planId": PLAN, "phase": "RolledOut"}}) == ""


def test_a_word_that_wakes_is_any_text() -> None:
    assert annotations.wake_of(annotated()) == ""
    assert annotations.wake_of(annotated(wake=" 2026-11-21T10:00:00Z\n")) == "2026-11-21T10:00:00Z"
    assert len(annotations.wake_of(annotated(wake="é" * 5000))) == annotations.MAX_WORD


@pytest.mark.parametrize(
    ("given", "forbidden"),
    [
        ({}, False),
        ({"do_not_reap": "true"}, True),
        ({"do_not_reap": ""}, True),
        ({"do_not_reap": "no"}, True),
        ({"do_not_reap": "false"}, False),
        ({"do_not_reap": " FALSE "}, False),
        ({"exclude_until": "2026-12-24T00:00:00Z"}, False),
        ({"exclude_until": "Christmas"}, True),  # somebody meant to
        ({"exclude_until": "2026-02-30T00:00:00Z"}, True),
    ],
)
def test_a_reap_is_forbidden_by_anything_but_false(given: dict[str, str], forbidden: bool) -> None:  # noqa: FBT001 - a case
    assert annotations.do_not_reap(annotated(**given)) is forbidden


def test_times_are_read_with_their_zone() -> None:
    assert annotations.exclude_until(annotated(exclude_until="2026-11-21T11:00:00.5+01:00")) == 1795255200.5
    assert annotations.exclude_until(annotated(exclude_until="2026-11-21")) is None
    assert annotations.exclude_until(annotated()) is None
    assert annotations.brake_released_at(annotated(brake_released_at="2026-11-21T10:00:00Z")) == 1795255200.0
    assert annotations.brake_released_at(annotated(brake_released_at="now")) is None


GOOD = {"retry": f"{PLAN}/{FAILED_AT}", "exclude-until": "2026-12-24T00:00:00Z"}


def test_none_of_these_is_a_reason_to_plan_and_all_are_seen() -> None:
    nothing = annotated()
    for name in annotations.ACTING:
        given = {"metadata": {"annotations": {name: GOOD.get(name.partition("/")[2], "x")}}}
        assert annotations.commands_digest(given) == annotations.commands_digest(nothing)
        assert annotations.acting_digest(given) != annotations.acting_digest(nothing)
    for name in annotations.COMMANDS:
        given = {"metadata": {"annotations": {name: "x"}}}
        assert annotations.acting_digest(given) == annotations.acting_digest(nothing)
    assert annotations.acting_digest(annotated(actor="me")) == annotations.acting_digest(nothing)


def test_what_means_nothing_is_told_with_the_plan_at_once() -> None:
    nothing = annotations.commands_digest(annotated())

    assert annotations.commands_digest(annotated(exclude_until="Christmas")) != nothing
    assert annotations.commands_digest(annotated(retry="yes")) != nothing
    assert annotations.commands_digest(annotated(exclude_until="2026-12-24T00:00:00Z")) == nothing


def test_what_means_nothing_is_told_in_one_line_each() -> None:
    retry = f"{PLAN}/{FAILED_AT}"
    good = annotated(pause="", retry=retry, wake="now", do_not_reap="", exclude_until="2026-12-24T00:00:00Z")
    bad = annotated(retry="yes", wake=" ", exclude_until="Christmas")

    assert annotations.faults_of(good) == ()
    assert annotations.faults_of(bad) == (
        (
            "metadata.annotations[placewright.dev/retry]: got 'yes', wants '<plan id>/<failedAt of"
            " status.rollout>' such as 'p-3f9c2a/2026-11-21T10:00:00Z';"
            " it is passed over"
        ),
        (
            "metadata.annotations[placewright.dev/wake]: got ' ', wants any text that was not there before;"
            " it is passed over"
        ),
        (
            "metadata.annotations[placewright.dev/exclude-until]: got 'Christmas', wants a time such as"
            " 2026-11-21T10:00:00Z; until it is mended, nothing is reaped"
        ),
    )
    assert annotations.policy_faults_of(annotated(brake_released_at="2026-11-21T10:00:00Z")) == ()
    assert annotations.policy_faults_of(annotated(brake_released_at="now")) == (
        (
            "metadata.annotations[placewright.dev/brake-released-at]: got 'now', wants a time such as"
            " 2026-11-21T10:00:00Z; it is passed over"
        ),
    )
