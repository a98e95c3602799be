"""What a request must not get: another server, another namespace's figures, or text of its own into a query."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.server import ControlPlane
from tests.support.bad_prometheus import BadPrometheus, body, echo
from tests.support.dollars import POLICIES, Market, earning, following, market, soon, spec
from tests.support.placements import condition

SECRET = "s3cr3t-t0k3n-of-the-operator"


@pytest.fixture
def place(control_plane: ControlPlane, crds: list[Path], prometheus: Path, tmp_path: Path) -> Iterator[Market]:
    assert crds
    with market(control_plane, tmp_path, prometheus) as made:
        yield made


def asked(server: BadPrometheus) -> list[str]:
    with server.lock:
        return [seen.form.get("query", "") for seen in server.seen]


def test_a_request_cannot_name_a_server(place: Market) -> None:
    with BadPrometheus(body("nobody should ask me")) as foreign:
        demand = {"preset": "vllm", "window": "10s", "url": foreign.url, "prometheus": {"url": foreign.url}}
        given = following()
        given["workload"]["demandFrom"] = demand
        given["inputs"] = {"prometheus": {"url": foreign.url}}
        place.traffic(1.5)
        place.placements.create("chat", given)
        spec_stored = place.placements.get("chat")["spec"]
        assert "inputs" not in spec_stored
        assert spec_stored["workload"]["demandFrom"].keys() & {"url", "prometheus"} == set()
        with place.operator() as operator:
            place.placements.create("honest", following())
            soon(operator, lambda: place.replicas("honest") == 2, "a plan")
        assert foreign.seen == []


def test_a_query_reads_no_other_namespace(place: Market) -> None:
    other = "revenue_usd_per_hour{namespace='kube-system'}"
    tricks = {
        "named": f"sum({other})",
        "joined": f"sum(revenue_usd_per_hour) + sum({other})",
        "negated": "sum(revenue_usd_per_hour{namespace!='x'})",
        "matched": "sum(revenue_usd_per_hour{namespace=~'.*'})",
        "subquery": f"max_over_time({other}[5m:1s])",
        "comment": "sum(revenue_usd_per_hour) # }",
        "unbalanced": 'sum(revenue_usd_per_hour{a="}) or sum(up',
    }
    place.exporter.gauge("revenue_usd_per_hour", 1e9, exported="other")
    for name, query in tricks.items():
        gates = {"maxCostToRevenueRatio": 0.5, "revenuePerHourQuery": query}
        place.placements.create(name, spec(2.0, gates=gates))
    with place.operator() as operator:
        for name in tricks.keys() - {"comment"}:
            soon(operator, lambda name=name: place.fresh(name) == "RevenueUnavailable", f"the refusal of {name}")
            message = str(condition(place.placements.get(name), "InputsFresh")["message"])
            assert "revenuePerHourQuery" in message
            assert place.gate(name, "CostToRevenueRatio") == "Unknown"
        soon(operator, lambda: place.fresh("comment") == "Fresh", "the one that is harmless")
    mine = f'namespace="{place.placements.namespace}"'
    queries = [query for query in asked(place.door) if "revenue" in query]
    assert queries
    assert all(mine in query and "kube-system" not in query and "#" not in query for query in queries)


def test_without_a_policy_that_allows_them_no_query_of_a_request_is_asked(place: Market) -> None:
    forbidding = {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": {"name": f"strict-{place.placements.namespace}"},
        "spec": {"inputs": {"requestQueries": "Forbidden"}},
    }
    place.plane.admin.create(POLICIES, forbidding)
    try:
        place.earn(100.0)
        place.placements.create("chat", spec(2.0, gates=earning(0.5)))
        with place.operator() as operator:
            soon(operator, lambda: place.fresh("chat") == "RevenueUnavailable", "the refusal")
            message = str(condition(place.placements.get("chat"), "InputsFresh")["message"])
            assert forbidding["metadata"]["name"] in message
        assert asked(place.door) == []
    finally:
        place.plane.admin.delete(f"{POLICIES}/{forbidding['metadata']['name']}")


def test_names_of_models_are_quoted(place: Market) -> None:
    given = following()
    evil = 'm"} or vector(1e9) or up{a="'
    given["workload"]["demandFrom"]["modelName"] = evil
    place.placements.create("chat", given)
    with place.operator() as operator:
        soon(operator, lambda: place.reason("chat") == "InputsStale", "the reason")
        soon(operator, lambda: any(r"m\"} or vector(1e9)" in query for query in asked(place.door)), "the query")
        assert "plan" not in place.status("chat")


def test_the_token_is_nowhere_to_be_read(place: Market) -> None:
    token = place.folder / "token"
    token.write_text(SECRET, encoding="utf-8")
    place.door.behaviour = echo
    place.placements.create("chat", spec(2.0, gates=earning(0.5)))
    with place.operator(f"--prometheus-token-file={token}") as operator:
        soon(operator, lambda: place.fresh("chat") == "RevenueUnavailable", "the fault")
        with place.door.lock:
            assert {seen.headers.get("authorization") for seen in place.door.seen} == {f"Bearer {SECRET}"}
        shown = [str(place.placements.get("chat")), operator.get("/metrics")[1], operator.get("/readyz")[1]]
        shown += [str(operator.log()), str(place.records())]
        events = place.plane.admin.items(f"/api/v1/namespaces/{place.placements.namespace}/events")
        assert not [text for text in (*shown, str(events)) if SECRET in text]
