"""What must hold of a plan before it is rendered; each check is one rule, in the order of the list at the end."""

from collections.abc import Callable
from typing import Final

from placewright.kube.manifests import flags
from placewright.kube.manifests.refusal import RenderRefusedError
from placewright.kube.manifests.values import Serving, Settings, Work

Check = Callable[[Work, Settings], None]
_AGAIN: Final = "plan the request anew"


def check(work: Work, settings: Settings) -> None:
    """Hold a plan against every rule.

    Raises:
        RenderRefusedError: with the first that does not hold.
    """
    for each in _CHECKS:
        each(work, settings)


def _approved(work: Work, settings: Settings) -> None:  # noqa: ARG001 - the signature of all checks
    if not work.approved:
        raise RenderRefusedError(
            f"plan {work.plan_id} is blocked by a gate", change="relax spec.gates, or wait until the gate passes"
        )


def _started(work: Work, settings: Settings) -> None:  # noqa: ARG001 - as above
    if not work.starts:
        raise RenderRefusedError(
            "the plan is for runtime any, which says nothing of how to start it",
            change="set spec.parallelism.runtime: vllm",
        )


def _image(work: Work, settings: Settings) -> None:  # noqa: ARG001 - as above
    if not settings.image:
        raise RenderRefusedError(
            "no image is given", change="give --image or spec.render.image, such as registry/name:tag"
        )


def _known_pools(work: Work, settings: Settings) -> None:  # noqa: ARG001 - as above
    for layout in work.layouts:
        for stage in layout.stages:
            if stage.pool not in work.sites:
                raise RenderRefusedError(
                    f"the plan stands in pool {stage.pool}, which is not there", change="give its GPUPool, or plan anew"
                )


def _one_degree(work: Work, settings: Settings) -> None:
    for layout in work.layouts:
        degrees = sorted({stage.tensor_parallel for stage in layout.stages})
        if len(degrees) > 1:
            raise RenderRefusedError(
                f"stages have TP {' and '.join(map(str, degrees))}, and {settings.runtime} wants one degree",
                change="set spec.parallelism.runtime: vllm, which plans one",
            )


def _all_gpus(work: Work, settings: Settings) -> None:  # noqa: ARG001 - as above
    for layout in work.layouts:
        given = flags.parsed(layout.engine_args)
        tensor = flags.number(given, "--tensor-parallel-size")
        pipeline = flags.number(given, "--pipeline-parallel-size")
        if tensor * pipeline != layout.gpus or pipeline != len(layout.stages):
            raise RenderRefusedError(
                f"the flags say TP {tensor} x PP {pipeline}, the stages of a replica have {layout.gpus} GPUs in"
                f" {len(layout.stages)}",
                change=_AGAIN,
            )


def _all_layers(work: Work, settings: Settings) -> None:  # noqa: ARG001 - as above
    for layout in work.layouts:
        following = 0
        for stage in layout.stages:
            if stage.first_layer != following or stage.last_layer < stage.first_layer:
                raise RenderRefusedError(
                    f"a stage holds layers {stage.first_layer} to {stage.last_layer} where {following} comes next",
                    change=_AGAIN,
                )
            following = stage.last_layer + 1
        if work.layers is not None and following != work.layers:
            raise RenderRefusedError(f"stages hold {following} layers of {work.layers}", change=_AGAIN)


def _partition(work: Work, settings: Settings) -> None:  # noqa: ARG001 - as above
    """What the environment says of the layers is what the stages hold; and each variable stands once."""
    for layout in work.layouts:
        names = [name for name, _ in layout.env]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise RenderRefusedError(f"the plan has the variable {twice[0]} twice", change=_AGAIN)
        told = dict(layout.env).get("VLLM_PP_LAYER_PARTITION")
        split = partition(layout)
        if told is not None and told != split:
            raise RenderRefusedError(
                f"VLLM_PP_LAYER_PARTITION says {told}, the stages hold {split} layers", change=_AGAIN
            )


def _inside_nodes(work: Work, settings: Settings) -> None:  # noqa: ARG001 - as above
    for layout in work.layouts:
        for stage in layout.stages:
            most = work.sites[stage.pool].gpus_per_node
            if stage.tensor_parallel > most:
                raise RenderRefusedError(
                    f"TP {stage.tensor_parallel} is more than the {most} GPUs of a node of pool {stage.pool}",
                    change=f"leave degrees above {most} out of spec.parallelism.tensor",
                )


def _later_stages_alike(work: Work, settings: Settings) -> None:  # noqa: ARG001 - as above
    """A LeaderWorkerSet has one template for the leader and one for all others."""
    for layout in work.layouts:
        later = sorted({stage.pool for stage in layout.stages[1:]})
        if len(later) > 1:
            raise RenderRefusedError(
                f"the stages after the first stand in pools {', '.join(later)}, and a LeaderWorkerSet has one"
                " template for them",
                change="set spec.parallelism.allowMixedPools: false",
            )
        vendors = sorted({work.sites[stage.pool].vendor for stage in layout.stages})
        if len(vendors) > 1:
            raise RenderRefusedError(
                f"a replica has GPUs of {' and '.join(vendors)}, for which no image serves both",
                change="set spec.parallelism.allowMixedPools: false",
            )


def _weights(work: Work, settings: Settings) -> None:
    if len(work.layouts) > 1 and settings.route is None:
        raise RenderRefusedError(
            f"{len(work.layouts)} layouts share the traffic by weight, which a Service cannot do",
            change="give --route or spec.render.route with the name of a Gateway",
        )
    if len(work.layouts) > _MOST_BACKENDS:
        raise RenderRefusedError(
            f"{len(work.layouts)} layouts share the traffic, and a rule of an HTTPRoute takes {_MOST_BACKENDS}",
            change="split the request, or give it fewer pools",
        )


def partition(layout: Serving) -> str:
    """Layers of the stages, as the engines' variables want them."""
    return ",".join(str(stage.layers) for stage in layout.stages)


_MOST_BACKENDS: Final = 16

_CHECKS: Final[tuple[Check, ...]] = (
    _approved,
    _started,
    _image,
    _known_pools,
    _one_degree,
    _all_gpus,
    _all_layers,
    _partition,
    _inside_nodes,
    _later_stages_alike,
    _weights,
)
