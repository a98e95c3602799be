"""What is rendered: a plan in the shape of its workloads, where its GPUs are, and what the user chose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from placewright.api.gpu_pool import Toleration
from placewright.api.hardware import LabelSelector
from placewright.core.model import Stage

Manifest = dict[str, Any]
"""A Kubernetes object as plain data."""

EVERY_PRECISION = ""
"""Key of `Settings.models` for the checkpoint of every precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The GPUs of one pool, as Pods find them.

    Attributes:
        pool: its name.
        gpu: the GPU kind: a key of the GPU catalog, or the name of an accelerator that the catalog does not hold.
        vendor: maker of the GPU.
        gpus_per_node: GPUs of its largest node.
        rooms: GPUs of each node that the request may take, largest first.
        selector: the GPUPool's nodeSelector; None: labels of the GPU find the Nodes.
        names_gpu: whether the pool leaves out Nodes of the selector that have other GPUs.
        tolerations: of the GPUPool.
    """

    pool: str
    gpu: str
    vendor: str
    gpus_per_node: int
    rooms: tuple[int, ...]
    selector: LabelSelector | None = None
    names_gpu: bool = True
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """One layout of a plan and how many replicas of it run.

    Attributes:
        replicas: how many.
        weight: share of the traffic, 0..1.
        precision: of the weights.
        stages: pipeline stages in order.
        engine_args: flags of `vllm serve`, as the plan has them.
        env: environment of the engine, as the plan has it.
    """

    replicas: int
    weight: float
    precision: str
    stages: tuple[Stage, ...]
    engine_args: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()

    @property
    def tensor_parallel(self) -> int:
        """TP degree of the first stage; all have it in what can be rendered."""
        return self.stages[0].tensor_parallel

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return sum(stage.tensor_parallel for stage in self.stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A plan to be rendered.

    Attributes:
        name: of the request.
        namespace: of the request.
        model: name of the model, as the request has it.
        plan_id: of the plan.
        approved: whether the plan may be used.
        starts: whether the planner said what starts it: with the runtime `any` it did not.
        layers: decoder layers of the model; None: nobody said.
        native_precision: of the published weights; None: nobody said.
        layouts: the one with the most traffic first.
        sites: by pool name.
    """

    name: str
    namespace: str
    model: str
    plan_id: str
    approved: bool
    starts: bool
    layers: int | None
    native_precision: str | None
    layouts: tuple[Serving, ...]
    sites: Mapping[str, Site] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How the traffic comes in.

    Attributes:
        gateway: name of the Gateway.
        gateway_namespace: where it is; empty: in the namespace of the request.
        hostnames: that the route takes; empty: all of the Gateway.
        inference_pools: whether the backends are InferencePools, each with an endpoint picker of its own; Services
            otherwise.
    """

    gateway: str
    gateway_namespace: str = ""
    hostnames: tuple[str, ...] = ()
    inference_pools: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user chose.

    Attributes:
        image: of the runtime; empty: none, which is refused.
        runtime: vllm, sglang or triton.
        models: what the engine loads, a repository or a path, by precision; EVERY_PRECISION for all others.
        cache_claim: PersistentVolumeClaim for downloaded models; empty: each Pod downloads into its own emptyDir.
        token_secret: Secret with a Hugging Face token; empty: none.
        token_key: its key.
        start_seconds: how long loading may take before a Pod is started anew.
        route: None: a Service that spreads by Pod.
    """

    image: str
    runtime: str = "vllm"
    models: Mapping[str, str] = field(default_factory=dict, hash=False)
    cache_claim: str = ""
    token_secret: str = ""
    token_key: str = "token"  # noqa: S105 - the key of a Secret, no secret
    start_seconds: float = 3600.0
    route: Route | None = None
