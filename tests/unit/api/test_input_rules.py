"""What PlacementPolicies together say of live inputs."""

from typing import Any

import pytest

from placewright.api.policies import InputRules, input_rules
from placewright.api.policy_inputs import PrometheusServer
from tests.support.fleet_resources import policy
from tests.support.resources import Json

URL = "http://prometheus.monitoring:9090"


def rules(**inputs: Json) -> InputRules:
    """The rules of policies by name."""
    return input_rules([policy(name.replace("_", "-"), inputs=given) for name, given in inputs.items()])


def test_without_policies_requests_ask_nothing_of_their_own() -> None:
    assert input_rules([]) == input_rules([policy()]) == InputRules()
    assert (InputRules().request_queries, InputRules().max_age_seconds, InputRules().server) == (
        "Forbidden",
        300.0,
        None,
    )


def test_the_first_server_by_name_counts_with_its_defaults() -> None:
    found = rules(
        c={"prometheus": {"url": "http://c:9090"}}, a={"maxAge": "1m"}, b={"prometheus": {"url": "http://b:9090"}}
    )

    assert found.server_policy == "b"
    assert found.server == PrometheusServer(url="http://b:9090", timeout="10s")


@pytest.mark.parametrize(
    ("said", "counted", "by"),
    [
        (["Any"], "Any", "p0"),
        (["Any", "OwnNamespace"], "OwnNamespace", "p1"),
        (["OwnNamespace", "Forbidden", "Any"], "Forbidden", "p1"),
        (["Any", None], "Any", "p0"),
        ([None], "Forbidden", ""),
    ],
)
def test_the_strictest_rule_on_queries_counts(said: list[str | None], counted: str, by: str) -> None:
    given: dict[str, Any] = {f"p{at}": {} if each is None else {"requestQueries": each} for at, each in enumerate(said)}

    found = rules(**given)

    assert (found.request_queries, found.queries_policy) == (counted, by)


def test_the_shortest_age_counts() -> None:
    assert rules(a={"maxAge": "10m"}, b={"maxAge": "90s"}, c={}).max_age_seconds == 90.0
    assert rules(a={"maxAge": "10m"}).max_age_seconds == 600.0
