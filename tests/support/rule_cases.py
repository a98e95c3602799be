"""For every CEL rule a body that breaks it and nothing else, and bodies close to these that are fine."""

from typing import Any

from tests.support.acting_bodies import (
    BROKEN_ACTING_POLICIES,
    BROKEN_ACTING_REQUESTS,
    KEPT_ACTING_POLICIES,
    KEPT_ACTING_REQUESTS,
)
from tests.support.kind_bodies import ROW, small_policy, small_pool, small_profile
from tests.support.live_bodies import (
    BROKEN_INPUTS,
    BROKEN_LIVE_REQUESTS,
    KEPT_INPUTS,
    KEPT_LIVE_REQUESTS,
)
from tests.support.resources import Json, small_request


def _pool(**changes: Any) -> Json:
    return {"name": "l40s", "nodes": 1, "gpusPerNode": 4, "pricePerGPUHour": 1.2, **changes}


_OWN = {"name": "Own-1", "memoryGiB": 96, "memoryBandwidthGBps": 4000, "tflops16Bit": 900}
_LINKS = {"intraNodeGBps": 400, "interNodeGBps": 50}
_CLASS = {"name": "short", "inputTokens": 512, "outputTokens": 128, "requestsPerSecond": 0.5}
_DEMAND = {"inputTokens": 1024, "outputTokens": 256, "requestsPerSecond": 4}
_ARCHITECTURE = {"layers": 4, "attentionHeads": 32, "keyValueHeads": 8}


def _model(**architecture: Any) -> Json:
    return {"model": {"name": "own", "architecture": architecture}}


def _row(**changes: Any) -> Json:
    measured = {"gpu": "L40S", "tensorParallel": 1, "pipelineParallel": 1, "precision": "bf16"}
    tokens = {"inputTokens": 1024, "outputTokens": 256, "requestsPerSecond": 1.5}
    return {"performance": {"measurements": [{**measured, **tokens, **changes}]}}


def _terms(**term: Any) -> Json:
    return {"matchExpressions": [term]}


# (fields of the spec that break a rule, where the API server says it, what it says)
_BROKEN_REQUESTS: dict[str, tuple[Json, str, str]] = {
    "neither gpu nor accelerator": ({"pools": [_pool()]}, "spec.pools[0]", "wants exactly one of gpu"),
    "gpu and accelerator": (
        {"pools": [_pool(gpu="L40S", accelerator=_OWN, interconnect=_LINKS)]},
        "spec.pools[0]",
        "wants exactly one of gpu",
    ),
    "accelerator without links": (
        {"pools": [_pool(accelerator=_OWN)]},
        "spec.pools[0].interconnect",
        "wants intraNodeGBps and interNodeGBps beside accelerator",
    ),
    "accelerator with one link": (
        {"pools": [_pool(accelerator=_OWN, interconnect={"intraNodeGBps": 400})]},
        "spec.pools[0].interconnect",
        "wants intraNodeGBps and interNodeGBps beside accelerator",
    ),
    "heads that do not divide": (
        _model(attentionHeads=32, keyValueHeads=7),
        "spec.model.architecture.keyValueHeads",
        "wants a divisor of attentionHeads",
    ),
    "more experts per token than experts": (
        _model(mixtureOfExperts={"experts": 8, "expertsPerToken": 9}),
        "spec.model.architecture.mixtureOfExperts.expertsPerToken",
        "wants at most experts",
    ),
    "all layers dense": (
        _model(layers=4, mixtureOfExperts={"denseLayers": 4}),
        "spec.model.architecture.mixtureOfExperts.denseLayers",
        "wants less than layers",
    ),
    "sequences shorter than the workload": (
        {"model": {"name": "own", "maxModelLen": 1279}},
        "spec.model.maxModelLen",
        "wants at least workload.inputTokens + workload.outputTokens",
    ),
    "cost weight without Weighted": (
        {"objective": {"costWeight": 0.5}},
        "spec.objective.costWeight",
        "wants type Weighted",
    ),
    "least cost without a floor": (
        {"objective": {"type": "Cost"}},
        "spec.objective.minTokensPerSecond",
        "wants a value with type Cost",
    ),
    "no time": ({"solver": {"timeLimit": "0s"}}, "spec.solver.timeLimit", "wants a duration longer than zero"),
    "too much time": ({"solver": {"timeLimit": "61m"}}, "spec.solver.timeLimit", "wants at most 1h"),
    "no time to the first token": ({"slo": {"ttft": "0ms"}}, "spec.slo.ttft", "wants a duration longer than zero"),
    "no time per token": ({"slo": {"tpot": "0.0s"}}, "spec.slo.tpot", "wants a duration longer than zero"),
    "a row with no time to the first token": (
        _row(ttft="0s"),
        "spec.performance.measurements[0].ttft",
        "wants a duration longer than zero",
    ),
    "a row with no time per token": (
        _row(tpot="0s"),
        "spec.performance.measurements[0].tpot",
        "wants a duration longer than zero",
    ),
    "tokens missing": (
        {"workload": {"outputTokens": 256}},
        "spec.workload.inputTokens",
        "wants a value, or classes or demandFrom.preset in its place",
    ),
    "output tokens missing": (
        {"workload": {"inputTokens": 256, "classes": []}},
        "spec.workload.outputTokens",
        "wants a value, or classes or demandFrom.preset in its place",
    ),
    "input tokens beside classes": (
        {"workload": {"inputTokens": 256, "classes": [_CLASS]}},
        "spec.workload.inputTokens",
        "wants nothing beside classes",
    ),
    "output tokens beside classes": (
        {"workload": {"outputTokens": 256, "classes": [_CLASS]}},
        "spec.workload.outputTokens",
        "wants nothing beside classes",
    ),
    "one demand beside classes": (
        {"workload": {"requestsPerSecond": 2, "classes": [_CLASS]}},
        "spec.workload.requestsPerSecond",
        "wants nothing beside classes",
    ),
    "sequences shorter than a class": (
        {"model": {"name": "own", "maxModelLen": 639}, "workload": {"classes": [_CLASS]}},
        "spec.model.maxModelLen",
        "wants at least inputTokens + outputTokens of every class",
    ),
    "no time to the first token of a class": (
        {"workload": {"classes": [{**_CLASS, "slo": {"ttft": "0s"}}]}},
        "spec.workload.classes[0].slo.ttft",
        "wants a duration longer than zero",
    ),
    "pools and a selector": ({"poolSelector": {}}, "spec.pools", "wants exactly one of pools"),
    "neither pools nor a selector": ({"pools": None}, "spec.pools", "wants exactly one of pools"),
    "a selector's term without values": (
        {"pools": None, "poolSelector": _terms(key="tier", operator="In")},
        "spec.poolSelector.matchExpressions[0].values",
        "wants at least one value with In and NotIn",
    ),
    "a selector's term with no values": (
        {"pools": None, "poolSelector": _terms(key="tier", operator="NotIn", values=[])},
        "spec.poolSelector.matchExpressions[0].values",
        "wants at least one value with In and NotIn",
    ),
    "a selector's term with values too many": (
        {"pools": None, "poolSelector": _terms(key="tier", operator="Exists", values=["a"])},
        "spec.poolSelector.matchExpressions[0].values",
        "wants at least one value with In and NotIn",
    ),
    "fewer replicas at most than at least": (
        {"replicas": {"min": 3, "max": 2}},
        "spec.replicas.max",
        "wants at least min",
    ),
    "a demand and another method": (
        {"workload": _DEMAND, "solver": {"method": "Enumeration"}},
        "spec.solver.method",
        "wants Exact beside poolSelector",
    ),
    "classes and another method": (
        {"workload": {"classes": [_CLASS]}, "solver": {"method": "Weighted"}},
        "spec.solver.method",
        "wants Exact beside poolSelector",
    ),
    "a selector and another method": (
        {"pools": None, "poolSelector": {}, "solver": {"method": "Iterative"}},
        "spec.solver.method",
        "wants Exact beside poolSelector",
    ),
    "replicas and another method": (
        {"replicas": {"min": 1}, "solver": {"method": "Iterative"}},
        "spec.solver.method",
        "wants Exact beside poolSelector",
    ),
    "a demand and most throughput": (
        {"workload": _DEMAND, "objective": {"type": "Throughput"}},
        "spec.objective.type",
        "wants CostPerToken or Cost beside poolSelector",
    ),
    "most replicas and a weighted objective": (
        {"replicas": {"max": 4}, "objective": {"type": "Weighted"}},
        "spec.objective.type",
        "wants CostPerToken or Cost beside poolSelector",
    ),
    "measurements and a profile": (
        {"performance": {**_row()["performance"], "profileRef": {"name": "own"}}},
        "spec.performance.profileRef",
        "wants no measurements beside it",
    ),
}

# Close to the above, and fine.
_KEPT_REQUESTS: dict[str, Json] = {
    "gpu": {"pools": [_pool(gpu="L40S")]},
    "accelerator": {"pools": [_pool(accelerator=_OWN, interconnect=_LINKS)]},
    "heads that divide": _model(**_ARCHITECTURE),
    "heads of which one is the catalog's": _model(keyValueHeads=7),
    "as many experts per token as experts": _model(mixtureOfExperts={"experts": 8, "expertsPerToken": 8}),
    "experts of which one is the catalog's": _model(mixtureOfExperts={"expertsPerToken": 9}),
    "one layer with experts": _model(layers=4, mixtureOfExperts={"denseLayers": 3}),
    "sequences as long as the workload": {"model": {"name": "own", "maxModelLen": 1280}},
    "cost weight with Weighted": {"objective": {"type": "Weighted", "costWeight": 0}},
    "Weighted alone": {"objective": {"type": "Weighted"}},
    "least cost with a floor": {"objective": {"type": "Cost", "minTokensPerSecond": 100}},
    "a floor with another type": {"objective": {"minTokensPerSecond": 100}},
    "an hour": {"solver": {"timeLimit": "59m60s"}},
    "a short time": {"slo": {"ttft": "1ms", "tpot": "0.5ms"}},
    "a row": _row(ttft="1.2s", tpot="45ms"),
    "classes": {"workload": {"classes": [_CLASS, {**_CLASS, "name": "long", "slo": {"tpot": "50ms"}}]}},
    "no classes": {"workload": {"inputTokens": 1024, "outputTokens": 256, "classes": []}},
    "sequences as long as a class": {
        "model": {"name": "own", "maxModelLen": 640},
        "workload": {"classes": [_CLASS]},
    },
    "a selector of everything": {"pools": None, "poolSelector": {}},
    "a selector's terms": {"pools": None, "poolSelector": _terms(key="a/b", operator="NotIn", values=["a", ""])},
    "no replicas to speak of": {"replicas": {"min": 0}, "solver": {"method": "Weighted"}},
    "one replica at most": {"replicas": {"min": 1, "max": 1}},
    "a demand at least cost": {
        "workload": _DEMAND,
        "objective": {"type": "Cost", "minTokensPerSecond": 10},
        "solver": {"method": "Exact"},
    },
    "no dwell": {"stabilization": {"minDwell": "0s", "loadTime": "0ms"}},
    "a profile": {"performance": {"measurements": [], "profileRef": {"name": "own.1"}}},
}

_BROKEN_OTHERS: dict[str, tuple[Json, str, str]] = {
    "neither stock nor Nodes": (small_pool(stock=None), "spec.stock", "wants exactly one of stock"),
    "stock and Nodes": (small_pool(nodeSelector={}), "spec.stock", "wants exactly one of stock"),
    "stock of what": (small_pool(gpu=None), "spec.gpu", "wants a key of the GPU catalog, or accelerator, beside stock"),
    "a pool of both": (
        small_pool(accelerator=_OWN, interconnect=_LINKS),
        "spec.accelerator",
        "wants no gpu beside it",
    ),
    "a pool without links": (
        small_pool(gpu=None, accelerator=_OWN),
        "spec.interconnect",
        "wants intraNodeGBps and interNodeGBps beside accelerator",
    ),
    "tolerations of no Node": (
        small_pool(tolerations=[{"operator": "Exists"}]),
        "spec.tolerations",
        "wants nodeSelector beside it",
    ),
    "a toleration of what": (
        small_pool(stock=None, nodeSelector={}, tolerations=[{"effect": "NoSchedule"}]),
        "spec.tolerations[0].operator",
        "wants Exists when there is no key",
    ),
    "a toleration with a value too many": (
        small_pool(stock=None, nodeSelector={}, tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
        "spec.tolerations[0].value",
        "wants nothing beside operator Exists",
    ),
    "a pool's selector without values": (
        small_pool(stock=None, nodeSelector=_terms(key="pool", operator="In")),
        "spec.nodeSelector.matchExpressions[0].values",
        "wants at least one value with In and NotIn",
    ),
    "a profile's row with no time to the first token": (
        small_profile(rows=[{**ROW, "ttft": "0s"}]),
        "spec.rows[0].ttft",
        "wants a duration longer than zero",
    ),
    "a profile's row with no time per token": (
        small_profile(rows=[dict(ROW), {**ROW, "tpot": "0ms"}]),
        "spec.rows[1].tpot",
        "wants a duration longer than zero",
    ),
}

_KEPT_OTHERS: dict[str, Json] = {
    "declared stock": small_pool(),
    "declared stock of an accelerator": small_pool(gpu=None, accelerator=_OWN, interconnect=_LINKS, tolerations=[]),
    "found from Nodes": small_pool(gpu=None, stock=None, nodeSelector={"matchLabels": {"pool": "a"}}),
    "all Nodes": small_pool(stock=None, nodeSelector={}, tolerations=[{"key": "a", "value": "b"}]),
    "an empty policy": {**small_policy(), "spec": {}},
    "a policy of prices": small_policy(prices=[{"gpu": "L40S", "pricePerGPUHour": 1.2}] * 2, gates={}),
    "a small profile": small_profile(),
    "the namespace that counts as none": {**small_pool(), "metadata": {"name": "small", "namespace": "default"}},
}

BROKEN: dict[str, tuple[Json, str, str]] = {
    **{
        name: (small_request(**changes), at, said)
        for name, (changes, at, said) in (_BROKEN_REQUESTS | BROKEN_LIVE_REQUESTS | BROKEN_ACTING_REQUESTS).items()
    },
    **{
        name: (small_policy(**changes), at, said)
        for name, (changes, at, said) in (BROKEN_INPUTS | BROKEN_ACTING_POLICIES).items()
    },
    **_BROKEN_OTHERS,
}
"""Bodies that break one rule, where the API server says it, what it says."""

KEPT: dict[str, Json] = {
    **{
        name: small_request(**changes)
        for name, changes in (_KEPT_REQUESTS | KEPT_LIVE_REQUESTS | KEPT_ACTING_REQUESTS).items()
    },
    **{name: small_policy(**changes) for name, changes in (KEPT_INPUTS | KEPT_ACTING_POLICIES).items()},
    **_KEPT_OTHERS,
}
"""Bodies close to these that break none."""
