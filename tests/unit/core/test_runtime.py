from dataclasses import replace

import pytest

from placewright.core import runtime
from placewright.core.model import (
    Accelerator,
    Architecture,
    Measured,
    Parallelism,
    Pool,
    Request,
    Runtime,
)
from tests.support import toys
from tests.support.layouts import layout

# Options of `vllm serve`, from its documentation of engine arguments.
KNOWN_FLAGS = {
    "--tensor-parallel-size",
    "--pipeline-parallel-size",
    "--max-num-seqs",
    "--max-model-len",
    "--gpu-memory-utilization",
    "--dtype",
    "--quantization",
}
KNOWN_DTYPES = {"auto", "half", "float16", "bfloat16", "float", "float32"}


def request(*, native: str = "bf16", supports_bf16: bool = True, chosen: Runtime = Runtime.VLLM) -> Request:
    gpu = Accelerator(
        name="fast", memory_gib=24, memory_bandwidth_gbps=500, tflops_16bit=100, supports_bf16=supports_bf16
    )
    pool = Pool(name="fast", gpu=gpu, nodes=1, gpus_per_node=8, price_per_gpu_hour=1.0)
    return replace(
        toys.request(pool, parallelism=Parallelism(runtime=chosen)),
        architecture=Architecture(
            layers=12,
            hidden_size=64,
            intermediate_size=128,
            attention_heads=8,
            key_value_heads=8,
            head_dim=8,
            vocab_size=100,
            native_precision=native,
        ),
    )


def flags(asked: Request, **given: object) -> dict[str, str]:
    args = runtime.engine_args(asked, layout(**given))  # type: ignore[arg-type]
    pairs = [arg.split("=", 1) for arg in args]
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names))
    assert set(names) <= KNOWN_FLAGS
    return dict(pairs)


def test_the_shape_of_the_layout_is_told_to_the_engine() -> None:
    told = flags(request(), split=(6, 6), tensor_parallel=4, max_concurrency=64)
    assert told["--tensor-parallel-size"] == "4"
    assert told["--pipeline-parallel-size"] == "2"
    assert told["--max-num-seqs"] == "64"
    assert told["--gpu-memory-utilization"] == "0.9"


def test_model_length_is_the_given_one_or_one_whole_request() -> None:
    assert flags(request())["--max-model-len"] == "200"
    assert flags(replace(request(), max_model_len=8192))["--max-model-len"] == "8192"


@pytest.mark.parametrize(
    ("precision", "dtype", "quantization"),
    [
        ("bf16", "bfloat16", None),
        ("fp16", "float16", None),
        ("fp8", None, "fp8"),
        ("int8", None, None),
        ("int4", None, None),
        ("fp4", None, None),
    ],
)
def test_precision_flags(precision: str, dtype: str | None, quantization: str | None) -> None:
    told = flags(request(), precision=precision)
    assert told.get("--dtype") == dtype
    assert told.get("--quantization") == quantization
    assert dtype is None or dtype in KNOWN_DTYPES


def test_a_checkpoint_that_is_already_fp8_is_not_quantized_again() -> None:
    assert "--quantization" not in flags(request(native="fp8"), precision="fp8")


def test_a_quantized_model_computes_in_float16_where_there_is_no_bf16() -> None:
    told = flags(request(supports_bf16=False), precision="int4")
    assert told["--dtype"] == "float16"


def test_measured_requests_say_nothing_about_memory() -> None:
    assert "--gpu-memory-utilization" not in flags(replace(request(), performance=Measured(rows=())))


def test_other_runtimes_get_no_flags() -> None:
    asked = request(chosen=Runtime.ANY)
    assert runtime.engine_args(asked, layout()) == ()
    assert runtime.engine_env(asked, layout(split=(1, 11))) == ()


@pytest.mark.parametrize(
    ("layers", "stages", "split"),
    [
        (80, 2, (40, 40)),
        (7, 3, (2, 3, 2)),
        (43, 10, (4, 4, 4, 4, 4, 4, 5, 5, 5, 4)),
        (22, 4, (5, 6, 6, 5)),
        (5, 3, (2, 2, 1)),
        (61, 2, (31, 30)),
        (61, 4, (15, 15, 16, 15)),
        (12, 1, (12,)),
    ],
)
def test_default_split_is_vllms(layers: int, stages: int, split: tuple[int, ...]) -> None:
    assert runtime.default_split(layers, stages) == split
    assert runtime.engine_env(request(), layout(split=split)) == ()


def test_another_split_is_told_in_the_environment() -> None:
    assert runtime.engine_env(request(), layout(split=(5, 7))) == (("VLLM_PP_LAYER_PARTITION", "5,7"),)
