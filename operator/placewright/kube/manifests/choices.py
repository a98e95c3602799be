"""What a request itself says of how it is started, and what is said beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from placewright.api.base import duration_seconds
from placewright.api.render_spec import Render, RenderRoute
from placewright.kube.manifests.values import EVERY_PRECISION, Route, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Settings as somebody gives them beside the requests; None and empty: nothing said.

    Attributes:
        image: of the runtime.
        runtime: vllm, sglang or triton.
        models: what the engine loads, by precision; EVERY_PRECISION for all others.
        cache_claim: PersistentVolumeClaim for downloaded models.
        token: name and key of a Secret with a Hugging Face token.
        start_seconds: how long loading may take.
        route: how traffic comes in.
    """

    image: str = ""
    runtime: str | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    cache_claim: str = ""
    token: tuple[str, str] | None = None
    start_seconds: float | None = None
    route: Route | None = None


def settings_of(given: Render | None, over: Choices) -> Settings:
    """The settings of a request: what is said beside it wins over its own spec.render."""
    own = given or Render()
    token = over.token or ((own.token_secret.name, own.token_secret.key or "token") if own.token_secret else ("", ""))
    return Settings(
        image=over.image or own.image or "",
        runtime=over.runtime or own.runtime or "vllm",
        models=over.models if EVERY_PRECISION in over.models else {**_models(own), **over.models},
        cache_claim=over.cache_claim or own.cache_claim or "",
        token_secret=token[0],
        token_key=token[1] or "token",
        start_seconds=over.start_seconds or _seconds(own.start_within),
        route=over.route or _route(own.route),
    )


def _models(own: Render) -> dict[str, str]:
    found: dict[str, str] = {entry.precision: entry.name for entry in own.checkpoints or ()}
    if own.checkpoint:
        found[EVERY_PRECISION] = own.checkpoint
    return found


def _seconds(start_within: str | None) -> float:
    return duration_seconds(start_within or "1h", field="spec.render.startWithin")


def _route(own: RenderRoute | None) -> Route | None:
    if own is None:
        return None
    return Route(
        gateway=own.gateway.name,
        gateway_namespace=own.gateway.namespace or "",
        hostnames=tuple(own.hostnames or ()),
        inference_pools=own.backends == "InferencePools",
    )
