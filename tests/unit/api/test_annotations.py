"""What annotations ask for, and what of them means nothing."""

from typing import Any

import pytest

from placewright.api import annotations
from placewright.api.convert import to_request
from placewright.api.parse import parse
from placewright.core.model import RampCommand
from tests.support.resources import Json, small_request

PLAN = "p-3f9c2a1b0d"
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
