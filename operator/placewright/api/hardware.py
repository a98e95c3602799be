"""GPUs, their links and their pools, as requests and GPUPools describe them."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import CAPABILITY_PATTERN, Amount, Inert, Label, LabelKey, LabelMap, LabelValue, rule, rules

GpuName = Annotated[str, Field(min_length=1, max_length=63)]
"""The key of a GPU in the catalog, or the name of an accelerator."""

PRICE_MAX: Final = 1_000_000
"""Most USD per GPU and hour."""

LINKS_WITH_ACCELERATOR: Final = rule(
    "!has(self.accelerator) || (has(self.interconnect) && has(self.interconnect.intraNodeGBps)"
    " && has(self.interconnect.interNodeGBps))",
    "wants intraNodeGBps and interNodeGBps beside accelerator, since the catalog has no figures for it",
    field_path=".interconnect",
)


class Accelerator(Inert):
    """All facts of a GPU that the catalog does not hold. Rates are dense; leave out what the hardware cannot do."""

    name: GpuName
    """Name of the GPU, as measurements and stages call it."""
    memory_gib: Amount
    """Memory in GiB (2^30 bytes)."""
    memory_bandwidth_gbps: Amount
    """Memory bandwidth in GB/s (10^9 bytes)."""
    tflops_16bit: Amount
    """Dense 16-bit TFLOP/s."""
    tflops_fp8: float = Field(default=0, ge=0, le=1_000_000_000)
    """Dense FP8 TFLOP/s; 0: no FP8 arithmetic."""
    tops_int8: float = Field(default=0, ge=0, le=1_000_000_000)
    """Dense INT8 TOP/s; 0: no INT8 arithmetic."""
    tflops_fp4: float = Field(default=0, ge=0, le=1_000_000_000)
    """Dense FP4 TFLOP/s; 0: no FP4 arithmetic."""
    supports_bf16: bool = True
    """Whether the hardware computes in bf16."""
    compute_capability: str | None = Field(default=None, pattern=CAPABILITY_PATTERN, max_length=8)
    """CUDA compute capability such as "8.9"; NVIDIA only."""
    vendor: str = Field(default="nvidia", pattern=r"^[a-z][a-z0-9-]*$", max_length=63)
    """Maker of the GPU in lower case."""
    all_reduce_gbps: float | None = Field(default=None, gt=0, le=1_000_000_000)
    """Measured bus bandwidth of an all-reduce inside a node in GB/s; interconnect.intraNodeGBps when left out."""


class Interconnect(Inert):
    """Links between the GPUs of a pool."""

    intra_node_gbps: Amount | None = None
    """GB/s between two GPUs of a node; the catalog's figure for the GPU when left out."""
    inter_node_gbps: Amount | None = None
    """GB/s between two nodes of the pool, and to other pools; the catalog's figure when left out."""


class Pool(Inert):
    """GPUs of one kind in one place, private to this request."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.gpu) != has(self.accelerator)",
                "wants exactly one of gpu (a key of the GPU catalog) and accelerator (all facts of the GPU)",
            ),
            LINKS_WITH_ACCELERATOR,
        )
    )

    name: Label
    """Name of the pool, as the plan calls it."""
    gpu: GpuName | None = None
    """Key of the built-in GPU catalog, such as L40S; or give accelerator."""
    accelerator: Accelerator | None = None
    """All facts of a GPU that the catalog does not hold; or give gpu."""
    nodes: int = Field(ge=1, le=100_000)
    """Nodes in the pool."""
    gpus_per_node: int = Field(ge=1, le=1024)
    """GPUs of one node; a tensor-parallel group never leaves a node."""
    price_per_gpu_hour: float | None = Field(default=None, gt=0, le=PRICE_MAX)
    """USD per GPU and hour; never guessed: a pool without a price is rejected with NoPrice."""
    billing: Literal["PerGPU", "PerNode"] = "PerGPU"
    """Whether single GPUs (PerGPU) or whole nodes (PerNode) are paid for."""
    interconnect: Interconnect | None = None
    """Links between the GPUs; the catalog's figures when left out; needed with accelerator."""
    max_tensor_parallel: int = Field(default=8, ge=1, le=1024)
    """Largest tensor-parallel degree in this pool."""


class SelectorTerm(Inert):
    """One term of a label selector, as Kubernetes has it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
                "wants at least one value with In and NotIn, and none with Exists and DoesNotExist",
                field_path=".values",
            )
        )
    )

    key: LabelKey
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label is held against values."""
    values: list[LabelValue] | None = Field(
        default=None, max_length=64, json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """Values for In and NotIn."""


class LabelSelector(Inert):
    """Chooses objects by their labels, as Kubernetes does: all terms must hold, and an empty selector takes all."""

    match_labels: LabelMap | None = None
    """Labels that must have exactly these values."""
    match_expressions: list[SelectorTerm] | None = Field(
        default=None, max_length=64, json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """Terms on labels."""
