"""PlacementRequests that ask for live figures, and what policies say of them."""

from typing import Any

from placewright.api.parse import parse
from placewright.api.policies import InputRules
from placewright.api.resource import PlacementRequest
from tests.support.requests import small_spec, stored

Json = dict[str, Any]

FORBIDDEN = InputRules()
OWN_NAMESPACE = InputRules(request_queries="OwnNamespace", queries_policy="own")
ANY_QUERY = InputRules(request_queries="Any", queries_policy="open")


def asking(
    *, namespace: str = "serving", demand_from: Json | None = None, workload: Json | None = None, **spec: Any
) -> PlacementRequest:
    """A request with workload.demandFrom and whatever else of the spec is given."""
    sizes = workload or {"inputTokens": 512, "outputTokens": 128}
    demand = {} if demand_from is None else {"demandFrom": demand_from}
    return parse(stored(namespace=namespace, spec=small_spec(**{"workload": {**sizes, **demand}, **spec})))
