"""From a plan to the objects that start it."""

from collections.abc import Collection, Iterator

from placewright.kube.manifests import names, traffic
from placewright.kube.manifests.checks import check
from placewright.kube.manifests.refusal import RenderRefusedError
from placewright.kube.manifests.runtimes import ENGINES
from placewright.kube.manifests.shapes import groupings, stages_per_pod
from placewright.kube.manifests.traffic import Backend
from placewright.kube.manifests.values import Manifest, Serving, Settings, Work
from placewright.kube.manifests.workloads import Part, config_map, workload


def render(work: Work, settings: Settings) -> tuple[Manifest, ...]:
    """Render a plan: for each layout its workload, and what brings the traffic to all of them.

    The same plan and settings give the same objects, in the same order.

    Raises:
        RenderRefusedError: what was asked for could not start, or not as planned.
    """
    parts = parts_of(work, settings)
    return (*_workloads(parts), *_traffic(work, settings, parts))


def parts_of(work: Work, settings: Settings, standing: Collection[str] = ()) -> list[Part]:
    """The layouts of a plan as they are rendered, in its order.

    Args:
        work: the plan.
        settings: what the user chose.
        standing: names of workloads that are there. A layout that stands keeps the number of Pods of its replicas: what
            room nodes have changes, and alone is no reason to start it anew.

    Raises:
        RenderRefusedError: what was asked for could not start, or not as planned.
    """
    check(work, settings)
    engine = ENGINES.get(settings.runtime)
    if engine is None:
        raise RenderRefusedError(
            f"runtime {settings.runtime!r} is not known", change=f"take one of {', '.join(ENGINES)}"
        )

    def part(layout: Serving, stages: int) -> Part:
        return Part(work=work, layout=layout, stages=stages, engine=engine, settings=settings)

    found = []
    for layout, stages in zip(work.layouts, stages_per_pod(work), strict=True):
        ways = [part(layout, each) for each in groupings(work, layout)] if standing else []
        found.append(next((each for each in ways if each.name in standing), part(layout, stages)))
    return found


def _workloads(parts: list[Part]) -> Iterator[Manifest]:
    for part in parts:
        files = config_map(part, metadata(part.work, part.name))
        if files is not None:
            yield files
        yield workload(part, metadata(part.work, part.name))


def _traffic(work: Work, settings: Settings, parts: list[Part]) -> Iterator[Manifest]:
    front = metadata(work, names.service_name(work.name))
    if settings.route is None:
        yield traffic.front_service(work.name, front)
        return
    backends = [
        Backend(
            name=part.name if settings.route.inference_pools else names.backend_name(part.name),
            request=work.name,
            layout=part.digest,
            port=part.engine.port,
            weight=part.layout.weight,
        )
        for part in parts
    ]
    make = traffic.inference_pool if settings.route.inference_pools else traffic.backend_service
    for backend in backends:
        yield make(backend, metadata(work, backend.name))
    yield traffic.route(settings.route, backends, front)


def metadata(work: Work, name: str) -> Manifest:
    """Metadata of an object. The plan's id stands here and not on Pods, which a new number of replicas leaves alone."""
    found: Manifest = {"name": name}
    if work.namespace:
        found["namespace"] = work.namespace
    found["labels"] = {**names.common_labels(work.name, work.model), names.PLAN_LABEL: work.plan_id}
    return found
