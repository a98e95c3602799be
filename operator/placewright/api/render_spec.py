"""How the plan of a request is started: what `placewright render` takes where no option says otherwise."""

from typing import Annotated, Literal

from pydantic import Field

from placewright.api.base import (
    CHECKPOINT_PATTERN,
    DATA_KEY_PATTERN,
    HOSTNAME_PATTERN,
    IMAGE_PATTERN,
    Duration,
    Inert,
    Label,
    PrecisionName,
    Subdomain,
    list_map,
)

CheckpointName = Annotated[str, Field(min_length=1, max_length=512, pattern=CHECKPOINT_PATTERN)]
"""A repository or a path that an engine loads."""


class Checkpoint(Inert):
    """What the engine loads for one precision."""

    precision: PrecisionName
    """The precision that the plan chose."""
    name: CheckpointName
    """Repository or path with the weights in it."""


class TokenSecret(Inert):
    """A key of a Secret in the request's namespace."""

    name: Subdomain
    """Name of the Secret."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=DATA_KEY_PATTERN)] | None = None
    """Its key; token when left out."""


class GatewayReference(Inert):
    """A Gateway of the Gateway API."""

    name: Subdomain
    """Its name."""
    namespace: Label | None = None
    """Its namespace; the request's when left out."""


class RenderRoute(Inert):
    """How traffic comes in where it is shared by weight."""

    gateway: GatewayReference
    """The Gateway that the HTTPRoute belongs to."""
    hostnames: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=253, pattern=HOSTNAME_PATTERN)]],
            Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """Host names that the route takes; all of the Gateway when left out."""
    backends: Literal["Services", "InferencePools"] | None = None
    """What the route leads to; Services when left out."""


class Render(Inert):
    """How the plan is started. Nothing here changes the plan."""

    image: Annotated[str, Field(min_length=1, max_length=512, pattern=IMAGE_PATTERN)] | None = None
    """Container image of the runtime."""
    runtime: Literal["vllm", "sglang", "triton"] | None = None
    """What serves the plan; triton is TensorRT-LLM's trtllm-serve. vllm when left out."""
    checkpoint: CheckpointName | None = None
    """Repository or path that the engine loads; model.name when left out."""
    checkpoints: Annotated[list[Checkpoint], Field(max_length=16, json_schema_extra=list_map("precision"))] | None = (
        None
    )
    """What the engine loads in place of it, by precision."""
    cache_claim: Subdomain | None = None
    """PersistentVolumeClaim for downloaded models; each Pod downloads into its own emptyDir when left out."""
    token_secret: TokenSecret | None = None
    """Hugging Face token; none when left out."""
    start_within: Duration | None = None
    """How long loading the model may take before a Pod starts anew; 1h when left out."""
    route: RenderRoute | None = None
    """How traffic comes in; one Service over all Pods when left out."""
