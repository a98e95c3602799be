"""Weight precisions: what they weigh, which GPUs run them, and at which arithmetic rate.

Sources: the supported-hardware table of vLLM (docs.vllm.ai, features/quantization), its FP8 page (arithmetic from
compute capability 8.9, weight-only through Marlin below), the mxfp4 layout of the OCP Microscaling specification 1.0
(one 8-bit scale for 32 values).
"""

from dataclasses import dataclass
from types import MappingProxyType

from placewright.core.errors import InvalidRequestError
from placewright.core.model import Accelerator

# The KV cache is kept in 16 bits whatever the weights: vLLM's --kv-cache-dtype auto follows the activations.
KV_BYTES_PER_VALUE = 2.0
# Embedding, LM head, router and activations stay in 16 bits.
WIDE_BYTES_PER_VALUE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionFacts:
    """One weight precision.

    Attributes:
        name: as users write it.
        weight_bytes: bytes per weight, scales included.
        experts_only: in a mixture of experts only the routed experts are stored so; the rest stays in 16 bits (that is
            how the mxfp4 checkpoints of gpt-oss are made).
    """

    name: str
    weight_bytes: float
    experts_only: bool = False


PRECISIONS = MappingProxyType(
    {
        facts.name: facts
        for facts in (
            PrecisionFacts(name="bf16", weight_bytes=2.0),
            PrecisionFacts(name="fp16", weight_bytes=2.0),
            PrecisionFacts(name="fp8", weight_bytes=1.0),
            PrecisionFacts(name="int8", weight_bytes=1.0),
            PrecisionFacts(name="int4", weight_bytes=0.53),  # 6 % for scales and zero points of groups of 128
            PrecisionFacts(name="fp4", weight_bytes=0.53125, experts_only=True),  # mxfp4: 4 bits + 8 bits for 32
        )
    }
)


def facts(name: str) -> PrecisionFacts:
    """Facts of a precision by name. Raises InvalidRequestError for a name that is none."""
    found = PRECISIONS.get(name)
    if found is None:
        raise InvalidRequestError("model.precisions", got=repr(name), wants=f"one of {', '.join(PRECISIONS)}")
    return found


def arithmetic_tflops(gpu: Accelerator, name: str) -> float:
    """Dense peak TFLOP/s of the matrix products with such weights on this GPU; 0: the GPU cannot run them.

    Weight-only forms are unpacked to 16 bits first: they save bytes, not arithmetic.
    """
    if unsupported_reason(gpu, name):
        return 0.0
    if name == "fp8" and _has_fp8(gpu):
        return gpu.tflops_fp8
    if name == "fp4" and _has_fp4(gpu):
        return gpu.tflops_fp4
    return gpu.tflops_16bit


def unsupported_reason(gpu: Accelerator, name: str) -> str:
    """Why this GPU cannot run the precision, in a few words; empty when it can."""
    facts(name)
    if name == "bf16":
        return "" if gpu.supports_bf16 else "has no bf16 arithmetic (fp16 is the 16-bit form to use)"
    if name in ("int8", "int4"):
        return _reason(gpu, least=(7, 0), what=f"weight-only {name}")
    if name == "fp8" and not _has_fp8(gpu):
        return _reason(gpu, least=(8, 0), what="weight-only fp8")
    if name == "fp4" and not _has_fp4(gpu):
        return _reason(gpu, least=(8, 0), what="weight-only fp4")
    return ""


def _has_fp8(gpu: Accelerator) -> bool:
    return gpu.tflops_fp8 > 0.0 and (gpu.compute_capability is None or gpu.compute_capability >= (8, 9))


def _has_fp4(gpu: Accelerator) -> bool:
    return gpu.tflops_fp4 > 0.0 and (gpu.compute_capability is None or gpu.compute_capability >= (10, 0))


def _reason(gpu: Accelerator, *, least: tuple[int, int], what: str) -> str:
    """Weight-only kernels are CUDA kernels: they need NVIDIA and a compute capability."""
    wanted = f"{what} needs NVIDIA compute capability {least[0]}.{least[1]}"
    if gpu.compute_capability is None:
        return f"{wanted}, this GPU has none"
    major, minor = gpu.compute_capability
    return "" if (major, minor) >= least else f"{wanted}, this GPU has {major}.{minor}"
