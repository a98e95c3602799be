"""What could not start, or not as planned, is refused in one line that says what to change."""

from dataclasses import replace
from typing import Any

import pytest

from placewright.api.gpu_pool import Toleration
from placewright.core.errors import PlacewrightError
from placewright.kube.manifests import RenderRefusedError, Route, Settings, Work, render
from tests.support.renders import SETTINGS, a_layout, a_site, a_work, stages_of

UNEVEN = a_layout((16, 16), stages=(*stages_of((16,)), *stages_of((16, 16), degree=4)[1:]))
SMALL = (a_site(gpus_per_node=2, rooms=(2, 2)),)
THREE = tuple(a_site(name) for name in ("a", "b", "c"))

CASES: list[tuple[str, Work, Settings, str, str]] = [
    ("blocked", a_work(approved=False), SETTINGS, "plan p-0123456789 is blocked by a gate", "spec.gates"),
    ("runtime any", a_work(starts=False), SETTINGS, "runtime any", "set spec.parallelism.runtime: vllm"),
    ("no image", a_work(), Settings(image=""), "no image is given", "give --image or spec.render.image"),
    ("unknown runtime", a_work(), replace(SETTINGS, runtime="tgi"), "'tgi' is not known", "vllm, sglang, triton"),
    ("pool gone", a_work(sites=[a_site("other")]), SETTINGS, "pool l40s, which is not there", "give its GPUPool"),
    ("mixed degrees", a_work(UNEVEN), SETTINGS, "stages have TP 2 and 4", "runtime: vllm"),
    (
        "flags and stages differ",
        a_work(a_layout(engine_args=("--tensor-parallel-size=4", "--pipeline-parallel-size=1"))),
        SETTINGS,
        "TP 4 x PP 1, the stages of a replica have 2 GPUs",
        "plan the request anew",
    ),
    (
        "more stages in the flags",
        a_work(a_layout((16, 16), degree=1, engine_args=("--tensor-parallel-size=2", "--pipeline-parallel-size=1"))),
        SETTINGS,
        "TP 2 x PP 1, the stages of a replica have 2 GPUs in 2",
        "plan the request anew",
    ),
    ("no flags", a_work(a_layout(engine_args=())), SETTINGS, "lacks --tensor-parallel-size", "plan the request anew"),
    (
        "a flag twice",
        a_work(a_layout(engine_args=(*a_layout().engine_args, "--dtype=float16"))),
        SETTINGS,
        "the flag --dtype twice",
        "plan the request anew",
    ),
    (
        "the runtime's own flag in the plan",
        a_work(a_layout(engine_args=(*a_layout().engine_args, "--port=9"))),
        SETTINGS,
        "the flag --port twice",
        "plan the request anew",
    ),
    (
        "no flag at all",
        a_work(a_layout(engine_args=(*a_layout().engine_args, "; rm -rf /"))),
        SETTINGS,
        "is no --name=value",
        "plan the request anew",
    ),
    ("layers missing", a_work(a_layout((30,))), SETTINGS, "stages hold 30 layers of 32", "plan the request anew"),
    (
        "a gap between layers",
        a_work(a_layout((16, 16), stages=(stages_of((16,))[0], replace(stages_of((32,))[0], first_layer=17)))),
        SETTINGS,
        "layers 17 to 31 where 16 comes next",
        "plan the request anew",
    ),
    (
        "another partition in the environment",
        a_work(a_layout((17, 15), env=(("VLLM_PP_LAYER_PARTITION", "16,16"),))),
        SETTINGS,
        "says 16,16, the stages hold 17,15",
        "plan the request anew",
    ),
    (
        "a variable twice",
        a_work(a_layout(env=(("A", "1"), ("A", "2")))),
        SETTINGS,
        "the variable A twice",
        "plan the request anew",
    ),
    (
        "a group larger than a node",
        a_work(a_layout(degree=4), sites=SMALL),
        SETTINGS,
        "TP 4 is more than the 2 GPUs of a node of pool l40s",
        "leave degrees above 2 out",
    ),
    (
        "three pools",
        a_work(a_layout((10, 11, 11), pools=("a", "b", "c")), sites=THREE),
        SETTINGS,
        "stages after the first stand in pools b, c",
        "allowMixedPools: false",
    ),
    (
        "two vendors",
        a_work(
            a_layout((16, 16), pools=("a", "b")),
            sites=[a_site("a"), a_site("b", gpu="MI300X", vendor="amd")],
        ),
        SETTINGS,
        "GPUs of amd and nvidia",
        "allowMixedPools: false",
    ),
    (
        "weights without a route",
        a_work(a_layout(weight=0.5), a_layout(degree=4, weight=0.5)),
        SETTINGS,
        "2 layouts share the traffic by weight",
        "give --route or spec.render.route",
    ),
    (
        "more layouts than a rule takes",
        a_work(*(a_layout(weight=1 / 17) for _ in range(17))),
        replace(SETTINGS, route=Route(gateway="public")),
        "17 layouts share the traffic",
        "split the request",
    ),
    (
        "a name that is no repository",
        a_work(model="our-model"),
        SETTINGS,
        "spec.model.name 'our-model' is no repository",
        "give --model",
    ),
    (
        "a checkpoint that looks like a flag",
        a_work(),
        replace(SETTINGS, models={"": "--trust-remote-code"}),
        "--model '--trust-remote-code' is no name",
        "give --model",
    ),
    (
        "a variable in the checkpoint's name",
        a_work(model="a/$(HF_TOKEN)"),
        SETTINGS,
        "spec.model.name 'a/$(HF_TOKEN)' is no name",
        "give --model",
    ),
    (
        "a precision that the checkpoint has not",
        a_work(a_layout(precision="int4")),
        SETTINGS,
        "the plan wants int4, and meta-llama/Llama-3.1-8B-Instruct holds bf16",
        "give --model int4=NAME",
    ),
    (
        "a vendor without a resource",
        a_work(sites=[a_site(vendor="acme")]),
        SETTINGS,
        "GPUs of acme",
        "nvidia or amd",
    ),
    (
        "a GPU that no label names",
        a_work(sites=[a_site(gpu="X1")]),
        SETTINGS,
        "no Node label names the GPU X1 of pool l40s",
        "a GPUPool with a nodeSelector",
    ),
    (
        "triton on AMD",
        a_work(sites=[a_site(gpu="MI300X", vendor="amd")]),
        replace(SETTINGS, runtime="triton"),
        "triton runs on NVIDIA GPUs",
        "--runtime vllm or sglang",
    ),
    (
        "triton over nodes",
        a_work(a_layout((16, 16)), sites=SMALL),
        replace(SETTINGS, runtime="triton"),
        "takes 2 Pods",
        "--runtime vllm or sglang",
    ),
    (
        "triton with uneven stages",
        a_work(a_layout((17, 15), env=(("VLLM_PP_LAYER_PARTITION", "17,15"),))),
        replace(SETTINGS, runtime="triton"),
        "different numbers of layers",
        "--runtime vllm or sglang",
    ),
    (
        "triton making fp8 while it loads",
        a_work(a_layout(precision="fp8", engine_args=(*a_layout().engine_args[:4], "--quantization=fp8"))),
        replace(SETTINGS, runtime="triton"),
        "--quantization=fp8, which triton cannot follow",
        "--model",
    ),
    (
        "a flag without a counterpart",
        a_work(a_layout(engine_args=(*a_layout().engine_args, "--kv-cache-dtype=fp8"))),
        replace(SETTINGS, runtime="sglang"),
        "--kv-cache-dtype=fp8, which sglang cannot follow",
        "--runtime vllm",
    ),
]


@pytest.mark.parametrize(
    ("work", "settings", "fault", "change"), [each[1:] for each in CASES], ids=[e[0] for e in CASES]
)
def test_refused(work: Work, settings: Settings, fault: str, change: str) -> None:
    with pytest.raises(RenderRefusedError) as refused:
        render(work, settings)
    assert isinstance(refused.value, PlacewrightError)
    assert fault in refused.value.fault
    assert change in refused.value.change
    assert str(refused.value) == f"{refused.value.fault}: {refused.value.change}"
    assert "\n" not in str(refused.value)


def test_what_the_cases_change_is_rendered_without_the_change() -> None:
    assert render(a_work(), SETTINGS)
    for runtime in ("vllm", "sglang", "triton"):
        assert render(a_work(), replace(SETTINGS, runtime=runtime))


def test_a_pool_with_a_selector_needs_no_label_of_the_gpu() -> None:
    from placewright.api.hardware import LabelSelector  # noqa: PLC0415 - beside its only use

    selector = LabelSelector.model_validate({"matchLabels": {"pool": "x"}})
    toleration = Toleration(key="team", operator="Exists")
    site = a_site(gpu="X1", selector=selector, names_gpu=False, tolerations=(toleration,))
    deployment: dict[str, Any] = render(a_work(sites=[site]), SETTINGS)[0]
    pod = deployment["spec"]["template"]["spec"]
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == [{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["x"]}]}]
    assert pod["tolerations"][1:] == [{"key": "team", "operator": "Exists"}]
