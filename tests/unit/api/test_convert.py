from typing import Any

import pytest

from placewright import catalog
from placewright.api.convert import to_request
from placewright.api.parse import parse
from placewright.core.errors import InvalidRequestError, UnsupportedModelError
from placewright.core.identity import inputs_hash
from placewright.core.model import Analytic, Billing, Measured, Method, ObjectiveType, Request, Runtime, TokenBasis
from tests.support.resources import full_request, small_request

SHAPE = {"layers": 32, "hiddenSize": 4096, "intermediateSize": 14336, "attentionHeads": 32, "vocabSize": 128256}
OWN = {"name": "Own-1", "memoryGiB": 96, "memoryBandwidthGBps": 4000, "tflops16Bit": 900}
MIXTRAL = "mistralai/Mixtral-8x7B-Instruct-v0.1"
ROW = {
    "gpu": "L40S",
    "tensorParallel": 1,
    "pipelineParallel": 1,
    "precision": "fp8",
    "inputTokens": 1024,
    "outputTokens": 256,
    "requestsPerSecond": 1.5,
}


def request_of(**spec: Any) -> Request:
    return to_request(parse(small_request(**spec)))


def pool(**changes: Any) -> dict[str, Any]:
    return {"name": "a", "gpu": "L40S", "nodes": 1, "gpusPerNode": 4, "pricePerGPUHour": 1.2, **changes}


def test_the_catalog_fills_what_a_small_request_leaves_out() -> None:
    request = request_of()

    assert request.architecture == catalog.model("meta-llama/Llama-3.1-8B-Instruct")
    assert [entry.name for entry in request.precisions] == ["bf16"]
    assert request.pools[0].gpu == catalog.gpu("L40S")
    assert request.pools[0].intra_node_gbps == catalog.gpu_defaults("L40S").intra_node_gbps
    assert request.pools[0].inter_node_gbps == catalog.gpu_defaults("L40S").inter_node_gbps
    assert request.performance == Analytic()
    assert request.solver.time_limit_seconds == 30.0
    assert (request.slo.ttft_seconds, request.slo.tpot_seconds) == (None, None)


def test_every_field_of_a_full_request_arrives() -> None:
    request = to_request(parse(full_request()))

    shape = request.architecture
    assert shape is not None
    assert (shape.layers, shape.key_value_heads, shape.native_precision, shape.tie_word_embeddings) == (
        (48, 8, "fp8", True)
    )
    assert shape.experts is not None
    assert (shape.experts.expert_intermediate_size, shape.experts.shared_intermediate_size) == (2048, 1024)
    assert shape.latent_attention is not None
    latent = shape.latent_attention
    assert (latent.kv_rank, latent.rope_head_dim, latent.query_rank, latent.nope_head_dim, latent.value_head_dim) == (
        (512, 64, 1536, 96, 112)
    )
    assert request.max_model_len == 8192
    assert (request.precisions[0].drift_percent, request.precisions[0].speedup) == (0.12, 1.4)
    assert (request.workload.token_basis, request.workload.concurrency) == (TokenBasis.OUTPUT, 48)
    assert (request.slo.ttft_seconds, request.slo.tpot_seconds) == (2.0, 0.05)
    own = request.pools[0]
    assert (own.gpu.name, own.gpu.compute_capability, own.gpu.vendor) == ("Own-1", (10, 0), "own-vendor")
    assert (own.gpu.tops_int8, own.gpu.tflops_fp4, own.gpu.supports_bf16, own.gpu.all_reduce_gbps) == (
        (1700, 3600, False, 350.5)
    )
    assert (own.nodes, own.gpus_per_node, own.price_per_gpu_hour, own.billing) == (3, 4, 2.49, Billing.PER_NODE)
    assert (own.intra_node_gbps, own.inter_node_gbps, own.max_tensor_parallel) == (400, 45.5, 4)
    parallel = request.parallelism
    assert (parallel.tensor, parallel.max_pipeline, parallel.min_layers_per_stage) == ((1, 4), 6, 2)
    assert (parallel.allow_mixed_pools, parallel.runtime) == (True, Runtime.ANY)
    objective = request.objective
    assert (objective.type, objective.cost_weight, objective.min_tokens_per_second) == (
        (ObjectiveType.WEIGHTED, 0.75, 100.5)
    )
    gates = request.gates
    assert (gates.max_cost_per_million_tokens, gates.max_cost_per_hour, gates.max_quantization_drift_percent) == (
        (2.5, 40.25, 0.5)
    )
    assert (gates.on_violation, gates.on_unknown) == ("Warn", "Pass")
    assert isinstance(request.performance, Measured)
    assert request.performance.rows[0].ttft_seconds == 1.2
    assert (request.solver.method, request.solver.time_limit_seconds, request.solver.frontier) == (
        (Method.ENUMERATION, 90.0, False)
    )


def test_the_architecture_overrides_the_catalog_field_by_field() -> None:
    model = {"name": "meta-llama/Llama-3.1-8B-Instruct", "architecture": {"layers": 40, "vocabSize": 1000}}
    shape, known = request_of(model=model).architecture, catalog.model("meta-llama/Llama-3.1-8B-Instruct")

    assert shape is not None
    assert (shape.layers, shape.vocab_size) == (40, 1000)
    assert (shape.hidden_size, shape.key_value_heads) == (known.hidden_size, known.key_value_heads)


def test_experts_override_those_of_the_catalog_field_by_field() -> None:
    model = {
        "name": MIXTRAL,
        "architecture": {"mixtureOfExperts": {"expertsPerToken": 4}},
    }
    shape, known = request_of(model=model).architecture, catalog.model(MIXTRAL)

    assert shape is not None
    assert shape.experts is not None
    assert known.experts is not None
    assert (shape.experts.experts, shape.experts.experts_per_token) == (known.experts.experts, 4)


def test_an_own_model_derives_what_hugging_face_derives() -> None:
    shape = request_of(model={"name": "own", "architecture": SHAPE}).architecture

    assert shape is not None
    assert (shape.key_value_heads, shape.head_dim, shape.native_precision) == (32, 128, "bf16")


def test_an_own_model_names_all_that_is_missing() -> None:
    with pytest.raises(InvalidRequestError, match=r"got no intermediateSize, vocabSize, wants all of them"):
        request_of(model={"name": "own", "architecture": {"layers": 4, "hiddenSize": 64, "attentionHeads": 4}})


def test_own_experts_name_all_that_is_missing() -> None:
    model = {"name": "own", "architecture": {**SHAPE, "mixtureOfExperts": {"experts": 8}}}

    with pytest.raises(InvalidRequestError, match=r"mixtureOfExperts: got no expertsPerToken, moeIntermediateSize"):
        request_of(model=model)


def test_an_unknown_model_suggests_the_nearest() -> None:
    with pytest.raises(UnsupportedModelError, match=r"nearest: meta-llama/Llama-3\.1-8B-Instruct") as caught:
        request_of(model={"name": "meta-llama/Llama-3.1-8B-Instuct"})
    assert caught.value.field == "spec.model.name"


def test_an_unknown_model_with_measurements_needs_no_architecture() -> None:
    request = request_of(model={"name": "secret"}, performance={"measurements": [ROW]})

    assert request.architecture is None
    assert [entry.name for entry in request.precisions] == ["fp8"]


def test_rows_name_gpus_by_any_name_of_the_catalog() -> None:
    alias = catalog.gpu_defaults("L40S").aliases[0]
    rows = [{**ROW, "gpu": alias}, {**ROW, "gpu": "Own-1"}, {**ROW, "gpu": "nobody's"}]
    links = {"intraNodeGBps": 400, "interNodeGBps": 50}
    own = {"name": "b", "accelerator": OWN, "nodes": 1, "gpusPerNode": 1, "interconnect": links}
    request = request_of(pools=[pool(), own], performance={"measurements": rows})

    assert isinstance(request.performance, Measured)
    assert [row.gpu for row in request.performance.rows] == ["L40S", "Own-1", "nobody's"]


def test_a_given_rate_inside_a_node_wins_over_the_catalog() -> None:
    given = request_of(pools=[pool(interconnect={"intraNodeGBps": 7})]).pools[0]

    assert (given.intra_node_gbps, given.gpu.all_reduce_gbps) == (7, 0.0)
    assert given.inter_node_gbps == catalog.gpu_defaults("L40S").inter_node_gbps


def test_a_price_is_never_guessed() -> None:
    unpriced = {"name": "a", "gpu": "L40S", "nodes": 1, "gpusPerNode": 4}

    assert request_of(pools=[unpriced]).pools[0].price_per_gpu_hour is None


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"pools": [pool(gpu="L40X")]}, r"^spec\.pools\[0\]\.gpu: got 'L40X', wants L40, L40S"),
        ({"pools": [pool(gpu=None)]}, r"^spec\.pools\[0\]: got neither gpu nor accelerator, wants exactly one"),
        ({"pools": [pool(accelerator=OWN)]}, r"^spec\.pools\[0\]: got both gpu and accelerator, wants exactly one"),
        (
            {"pools": [pool(gpu=None, accelerator=OWN)]},
            r"^spec\.pools\[0\]\.interconnect: got no intraNodeGBps and interNodeGBps, wants both",
        ),
        ({"objective": {"type": "Cost"}}, r"^spec\.objective\.minTokensPerSecond: got nothing, wants the through"),
        (
            {"model": {"name": "meta-llama/Llama-3.1-8B-Instruct", "maxModelLen": 131073}},
            r"^spec\.model\.maxModelLen: got 131073, wants at most the model's maxPositionEmbeddings \(131072\)",
        ),
        (
            {"model": {"name": "meta-llama/Llama-3.1-8B-Instruct", "architecture": {"keyValueHeads": 5}}},
            r"^spec\.model\.architecture\.keyValueHeads: got 5, wants a divisor of attentionHeads \(32\)",
        ),
        (
            {"model": {"name": MIXTRAL, "architecture": {"mixtureOfExperts": {"experts": 1}}}},
            r"expertsPerToken: got 2, wants at most experts \(1\)",
        ),
        (
            {
                "model": {
                    "name": MIXTRAL,
                    "architecture": {"mixtureOfExperts": {"denseLayers": 32}},
                }
            },
            r"denseLayers: got 32, wants less than layers \(32\)",
        ),
    ],
)
def test_what_does_not_hold_together_is_one_line(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        request_of(**spec)


def test_the_inputs_are_the_same_whatever_the_name_and_the_order() -> None:
    pools = [pool(), pool(name="b", gpu="A10")]
    first = to_request(parse(small_request("first", pools=pools)))
    second = to_request(parse(small_request("second", pools=pools[::-1], suspend=True)))

    assert inputs_hash(first) == inputs_hash(second)


def test_a_body_with_several_faults_tells_the_first_and_their_number() -> None:
    with pytest.raises(InvalidRequestError, match=r"^spec\.workload\.inputTokens: got 0, .* \(and 1 more\)$"):
        parse(small_request(workload={"inputTokens": 0, "outputTokens": -1}))
