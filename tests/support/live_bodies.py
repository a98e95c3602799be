"""Bodies with live inputs for tests, and for each of their CEL rules one that breaks it and ones close to it."""

from typing import Any

from tests.support.resources import Json, small_request

PRESET: Json = {"preset": "vllm"}
QUERY: Json = {"prometheusQuery": "sum(rate(requests_total[5m]))"}
SIZES: Json = {"inputTokens": 1024, "outputTokens": 256}
RAMP: Json = {"stepsPercent": [10, 50, 100]}


def _workload(**demand: Any) -> Json:
    return {"workload": {"demandFrom": {**PRESET, **demand}}}


def _ramp(**ramp: Any) -> Json:
    return {"ramp": {**RAMP, **ramp}}


def full_live_request(name: str = "full-live") -> Json:
    """A valid request in which every field of live inputs and of ramps stands, but for those of a query."""
    demand = {
        "preset": "gateway",
        "modelName": "llama/8b",
        "window": "72h",
        "statistic": "Forecast",
        "horizon": "30m",
        "headroomPercent": 12.5,
        "hysteresisPercent": 5.5,
        "maxAge": "90s",
    }
    ramp = {
        "stepsPercent": [12.5, 50, 100],
        "maxCostToRevenueRatioByStep": [0.5, 0.4, 0.25],
        "maxCostPerMillionTokensByStep": [3, 2.5, 2.25],
        "holdFor": "5m",
        "autoPromote": False,
        "rollbackAfter": "2m",
    }
    gates = {
        "maxCostPerMillionTokens": 2.5,
        "maxCostPerHour": 40.25,
        "maxCostToRevenueRatio": 0.3,
        "revenuePerMillionTokens": 8.5,
        "maxQuantizationDriftPercent": 0.5,
        "maxObservedCostDriftPercent": 25.5,
    }
    return small_request(
        name,
        workload={**SIZES, "demandFrom": demand, "tokenBasis": "Output", "classes": []},
        observeFrom={"preset": "sglang", "modelName": "8b"},
        gates=gates,
        ramp=ramp,
    )


def full_query_request(name: str = "full-query") -> Json:
    """A valid request with queries of its own."""
    demand = {**QUERY, "statistic": "Quantile", "quantile": 0.9, "window": "30m"}
    gates = {"maxCostToRevenueRatio": 0.3, "revenuePerHourQuery": "sum(revenue_usd_per_hour)"}
    return small_request(name, workload={**SIZES, "demandFrom": demand}, gates=gates, ramp=RAMP)


def full_inputs() -> Json:
    """The spec.inputs of a PlacementPolicy in which every field stands."""
    server = {
        "url": "https://prometheus.monitoring:9090/prefix",
        "tokenFile": "/etc/placewright/prometheus/token",
        "caFile": "/etc/placewright/prometheus/ca.crt",
        "timeout": "5s",
    }
    return {"prometheus": server, "requestQueries": "OwnNamespace", "maxAge": "2m"}


def _token(path: str) -> Json:
    return {"inputs": {"prometheus": {"url": "http://prometheus:9090", "tokenFile": path}}}


BROKEN_LIVE_REQUESTS: dict[str, tuple[Json, str, str]] = {
    "a preset and a query": (
        {"workload": {**SIZES, "demandFrom": {**PRESET, **QUERY}}},
        "spec.workload.demandFrom.preset",
        "wants exactly one of preset",
    ),
    "neither a preset nor a query": (
        {"workload": {**SIZES, "demandFrom": {}}},
        "spec.workload.demandFrom.preset",
        "wants exactly one of preset",
    ),
    "a query without the tokens of a prompt": (
        {"workload": {"outputTokens": 256, "demandFrom": QUERY}},
        "spec.workload.inputTokens",
        "wants a value, or classes or demandFrom.preset in its place",
    ),
    "a query without the tokens of an answer": (
        {"workload": {"inputTokens": 256, "demandFrom": QUERY}},
        "spec.workload.outputTokens",
        "wants a value, or classes or demandFrom.preset in its place",
    ),
    "a model's name beside a query": (
        {"workload": {**SIZES, "demandFrom": {**QUERY, "modelName": "a"}}},
        "spec.workload.demandFrom.modelName",
        "wants preset beside it",
    ),
    "a live demand and a given one": (
        {"workload": {**SIZES, "requestsPerSecond": 2, "demandFrom": PRESET}},
        "spec.workload.demandFrom",
        "wants neither requestsPerSecond nor classes beside it",
    ),
    "a live demand and classes": (
        {"workload": {"classes": [{"name": "a", **SIZES, "requestsPerSecond": 2}], "demandFrom": PRESET}},
        "spec.workload.demandFrom",
        "wants neither requestsPerSecond nor classes beside it",
    ),
    "a quantile of a peak": (
        _workload(statistic="Peak", quantile=0.9),
        "spec.workload.demandFrom.quantile",
        "wants statistic Quantile",
    ),
    "a horizon of a quantile": (
        _workload(horizon="1h"),
        "spec.workload.demandFrom.horizon",
        "wants statistic Forecast",
    ),
    "a window of a moment": (_workload(window="9s"), "spec.workload.demandFrom.window", "wants 10s to 720h"),
    "a window of months": (_workload(window="721h"), "spec.workload.demandFrom.window", "wants 10s to 720h"),
    "a forecast from a day": (
        _workload(statistic="Forecast", window="47h"),
        "spec.workload.demandFrom.window",
        "wants at least 48h with statistic Forecast",
    ),
    "a horizon of a moment": (
        _workload(statistic="Forecast", horizon="59s", window="48h"),
        "spec.workload.demandFrom.horizon",
        "wants 1m to 168h",
    ),
    "figures of yesterday": (_workload(maxAge="25h"), "spec.workload.demandFrom.maxAge", "wants 1s to 24h"),
    "a live demand and another method": (
        {**_workload(), "solver": {"method": "Enumeration"}},
        "spec.solver.method",
        "wants Exact beside poolSelector, a demand, replicas, a ramp or live figures",
    ),
    "a ramp and most throughput": (
        {**_ramp(), "objective": {"type": "Throughput"}},
        "spec.objective.type",
        "wants CostPerToken or Cost beside poolSelector, a demand, replicas, a ramp or live figures",
    ),
    "an observed revenue and another method": (
        {"gates": {"revenuePerHourQuery": "revenue"}, "solver": {"method": "Iterative"}},
        "spec.solver.method",
        "wants Exact beside poolSelector, a demand, replicas, a ramp or live figures",
    ),
    "a share of what revenue": (
        {"gates": {"maxCostToRevenueRatio": 0.3}},
        "spec.gates.maxCostToRevenueRatio",
        "wants revenuePerMillionTokens or revenuePerHourQuery",
    ),
    "two revenues": (
        {"gates": {"revenuePerMillionTokens": 8, "revenuePerHourQuery": "revenue"}},
        "spec.gates.revenuePerHourQuery",
        "wants no revenuePerMillionTokens beside it",
    ),
    "an observed cost that nobody observes": (
        {"gates": {"maxObservedCostDriftPercent": 20}},
        "spec.gates.maxObservedCostDriftPercent",
        "wants observeFrom or workload.demandFrom.preset",
    ),
    "an observed cost by a query for requests": (
        {"workload": {**SIZES, "demandFrom": QUERY}, "gates": {"maxObservedCostDriftPercent": 20}},
        "spec.gates.maxObservedCostDriftPercent",
        "wants observeFrom or workload.demandFrom.preset",
    ),
    "steps down": (_ramp(stepsPercent=[50, 10, 100]), "spec.ramp.stepsPercent", "wants ascending steps"),
    "a step twice": (_ramp(stepsPercent=[50, 50, 100]), "spec.ramp.stepsPercent", "wants ascending steps"),
    "the last steps down": (
        _ramp(stepsPercent=[1, 2, 3, 4, 5, 6, 7, 8, 7.5, 100]),
        "spec.ramp.stepsPercent",
        "wants ascending steps",
    ),
    "a ramp that ends early": (_ramp(stepsPercent=[10, 99.5]), "spec.ramp.stepsPercent", "wants 100 as its last step"),
    "fewer prices than steps": (
        _ramp(maxCostPerMillionTokensByStep=[3, 2]),
        "spec.ramp.maxCostPerMillionTokensByStep",
        "wants one entry for each of stepsPercent",
    ),
    "more shares than steps": (
        {**_ramp(maxCostToRevenueRatioByStep=[1, 1, 1, 1]), "gates": {"revenuePerMillionTokens": 8}},
        "spec.ramp.maxCostToRevenueRatioByStep",
        "wants one entry for each of stepsPercent",
    ),
    "steps of what revenue": (
        _ramp(maxCostToRevenueRatioByStep=[0.5, 0.4, 0.3]),
        "spec.ramp.maxCostToRevenueRatioByStep",
        "wants gates.revenuePerMillionTokens or gates.revenuePerHourQuery",
    ),
    "a rollback after no time": (_ramp(rollbackAfter="0s"), "spec.ramp.rollbackAfter", "wants a duration longer than"),
}

KEPT_LIVE_REQUESTS: dict[str, Json] = {
    "a preset alone": _workload(),
    "a preset with sizes to begin with": {"workload": {**SIZES, "demandFrom": PRESET}},
    "a query with sizes": {"workload": {**SIZES, "demandFrom": QUERY}},
    "a quantile without its statistic": _workload(quantile=1),
    "a peak": _workload(statistic="Peak", window="10s"),
    "a forecast of an hour": _workload(statistic="Forecast", window="48h"),
    "a forecast of a week": _workload(statistic="Forecast", horizon="168h", window="720h"),
    "no classes beside a live demand": {"workload": {"classes": [], "demandFrom": PRESET}},
    "demand of a gateway, tokens of a server": {
        "workload": {"demandFrom": {"preset": "gateway"}},
        "observeFrom": {"preset": "vllm"},
        "gates": {"maxObservedCostDriftPercent": 0},
    },
    "tokens observed beside a given demand": {
        "workload": {**SIZES, "requestsPerSecond": 2},
        "observeFrom": {"preset": "tgi"},
        "gates": {"maxObservedCostDriftPercent": 20},
    },
    "a revenue without a limit": {"gates": {"revenuePerMillionTokens": 8}},
    "one step": _ramp(stepsPercent=[100]),
    "ten steps": _ramp(stepsPercent=[0.5, 1, 2, 4, 8, 16, 32, 64, 99.5, 100]),
    "steps by the revenue of an hour": {
        **_ramp(maxCostToRevenueRatioByStep=[0.5, 0.4, 0.3]),
        "gates": {"revenuePerHourQuery": "revenue"},
    },
    "a ramp without holding": _ramp(holdFor="0s", autoPromote=False, rollbackAfter="1s"),
}

# (fields of a policy's spec that break a rule, where the API server says it, what it says)
BROKEN_INPUTS: dict[str, tuple[Json, str, str]] = {
    "the token of the operator's own ServiceAccount": (
        _token("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        "spec.inputs.prometheus.tokenFile",
        "wants a mounted file",
    ),
    "the same token by another name": (
        _token("/run/secrets/kubernetes.io/serviceaccount/token"),
        "spec.inputs.prometheus.tokenFile",
        "wants a mounted file",
    ),
    "a file of a process": (_token("/proc/self/environ"), "spec.inputs.prometheus.tokenFile", "wants a mounted file"),
    "a token by a way around": (
        _token("/etc/../var/run/secrets/kubernetes.io/serviceaccount/token"),
        "spec.inputs.prometheus.tokenFile",
        "wants a mounted file",
    ),
    "a token by a way that stays where it is": (
        _token("/var/./run/secrets/kubernetes.io/serviceaccount/token"),
        "spec.inputs.prometheus.tokenFile",
        "wants a mounted file",
    ),
    "the token that stands for the operator in a cloud": (
        _token("/var/run/secrets/eks.amazonaws.com/serviceaccount/token"),
        "spec.inputs.prometheus.tokenFile",
        "wants a mounted file",
    ),
    "a token below two slashes": (_token("//proc/1/environ"), "spec.inputs.prometheus.tokenFile", "wants a mounted"),
    "a query of minutes": (
        {"inputs": {"prometheus": {"url": "http://prometheus:9090", "timeout": "61s"}}},
        "spec.inputs.prometheus.timeout",
        "wants at most 1m",
    ),
    "no time for a query": (
        {"inputs": {"prometheus": {"url": "http://prometheus:9090", "timeout": "0s"}}},
        "spec.inputs.prometheus.timeout",
        "wants a duration longer than zero, such as 50ms, 1.2s, 30m",
    ),
    "prices from nowhere": (
        {"priceSources": [{"name": "a"}]},
        "spec.priceSources[0]",
        "wants exactly one of file, configMap, openCost and prometheus",
    ),
    "prices from two places": (
        {"priceSources": [{"name": "a", "file": {"path": "a.csv"}, "prometheus": {"query": "price"}}]},
        "spec.priceSources[0]",
        "wants exactly one of file, configMap, openCost and prometheus",
    ),
    "figures of last week": ({"inputs": {"maxAge": "168h"}}, "spec.inputs.maxAge", "wants 1s to 24h"),
}

KEPT_INPUTS: dict[str, Json] = {
    "inputs of nothing": {"inputs": {}},
    "a server alone": {"inputs": {"prometheus": {"url": "http://[::1]:9090"}}},
    "a server with a token": _token("/var/run/secrets/placewright/token"),
    "prices of a file": {"priceSources": [{"name": "a", "file": {"path": "a.csv"}, "confirmAfter": "0s"}]},
    "rules alone": {"inputs": {"requestQueries": "Any", "maxAge": "24h"}},
}
