"""Every CEL rule, offline: one body that breaks it and nothing else, and bodies close to it that are fine."""

import json

import pytest

from placewright.api.kinds import KINDS
from placewright.api.validate import validate
from tests.support.kind_bodies import full_resources
from tests.support.rule_cases import BROKEN, KEPT


def offline(body: object) -> list[str]:
    return [str(fault) for fault in validate(json.dumps(body), file="a.json", catalog=False).faults]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_one_line_with_the_field_and_what_it_wants(name: str) -> None:
    body, where, message = BROKEN[name]

    (fault,) = offline(body)

    assert fault.startswith(f"a.json: {where}: got ")
    assert f", {message}" in fault


@pytest.mark.parametrize("name", KEPT)
def test_what_breaks_no_rule_is_taken(name: str) -> None:
    assert offline(KEPT[name]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_bodies_with_every_field_are_good_by_schema_and_rules(kind: str) -> None:
    assert [fault for body in full_resources()[kind] for fault in offline(body)] == []
