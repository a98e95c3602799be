"""Plans to render, and what must hold of everything that is rendered."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from placewright.api.gpu_pool import Toleration
from placewright.core.model import Stage
from placewright.kube.manifests import Manifest, Serving, Settings, Site, Work
from placewright.kube.manifests.placing import RESOURCES

NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
SETTINGS = Settings(image="example.com/engine:1")


def a_site(pool: str = "l40s", **changes: Any) -> Site:
    """A pool of two nodes with four L40S each."""
    given: dict[str, Any] = {"gpu": "L40S", "vendor": "nvidia", "gpus_per_node": 4, "rooms": (4, 4), **changes}
    return Site(pool=pool, **given)


def tolerant(key: str = "renewed", **changes: Any) -> Site:
    """The same pool whose Nodes got a taint: templates change, and what is started does not."""
    return a_site(tolerations=(Toleration(key=key, operator="Exists"),), **changes)


def stages_of(layers: Sequence[int], *, degree: int = 2, pools: Sequence[str] = ()) -> tuple[Stage, ...]:
    """Stages with so many layers each; all in pool l40s unless `pools` says."""
    found, first = [], 0
    for index, held in enumerate(layers):
        pool = pools[index] if pools else "l40s"
        found.append(
            Stage(pool=pool, gpu="L40S", tensor_parallel=degree, first_layer=first, last_layer=first + held - 1)
        )
        first += held
    return tuple(found)


def a_layout(layers: Sequence[int] = (32,), *, degree: int = 2, **changes: Any) -> Serving:
    """A layout with the flags that the planner gives it."""
    pools = changes.pop("pools", ())
    given: dict[str, Any] = {
        "replicas": 1,
        "weight": 1.0,
        "precision": "bf16",
        "stages": stages_of(layers, degree=degree, pools=pools),
        "engine_args": (
            f"--tensor-parallel-size={degree}",
            f"--pipeline-parallel-size={len(layers)}",
            "--max-num-seqs=32",
            "--max-model-len=4096",
            "--dtype=bfloat16",
        ),
        **changes,
    }
    return Serving(**given)


def a_work(*layouts: Serving, sites: Sequence[Site] = (), **changes: Any) -> Work:
    """A plan for an 8-billion model on pool l40s."""
    given: dict[str, Any] = {
        "name": "chat",
        "namespace": "serving",
        "model": "meta-llama/Llama-3.1-8B-Instruct",
        "plan_id": "p-0123456789",
        "approved": True,
        "starts": True,
        "layers": 32,
        "native_precision": "bf16",
        **changes,
    }
    return Work(layouts=layouts or (a_layout(),), sites={site.pool: site for site in (sites or (a_site(),))}, **given)


def workloads(objects: Sequence[Manifest]) -> list[Manifest]:
    """The objects that have Pods."""
    return [each for each in objects if each["kind"] in ("Deployment", "LeaderWorkerSet")]


def templates(workload: Manifest) -> list[tuple[int, Manifest]]:
    """Pod templates of a workload, with how many Pods each replica has of it."""
    if workload["kind"] == "Deployment":
        return [(1, workload["spec"]["template"])]
    group = workload["spec"]["leaderWorkerTemplate"]
    return [(1, group["leaderTemplate"]), (group["size"] - 1, group["workerTemplate"])]


def container(template: Manifest) -> Manifest:
    """The only container."""
    (found,) = template["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def gpus_of(template: Manifest) -> int:
    """GPUs of one Pod, whatever their vendor."""
    limits = container(template)["resources"]["limits"]
    return sum(int(limits[resource]) for resource in RESOURCES.values() if resource in limits)


def check_objects(work: Work, objects: Sequence[Manifest], *, verbatim: bool) -> None:
    """What holds of every plan that is rendered; `verbatim`: the engine takes the plan's flags as they are."""
    rendered = workloads(objects)
    assert len(rendered) == len(work.layouts)
    for layout, workload in zip(work.layouts, rendered, strict=True):
        _check_gpus(layout, workload)
        for _, template in templates(workload):
            _check_arguments(layout, container(template), verbatim=verbatim)
    _check_names(objects)
    _check_selectors(objects, rendered)


def _check_gpus(layout: Serving, workload: Manifest) -> None:
    """Exactly the GPUs of the plan, and every tensor-parallel group whole inside a Pod."""
    assert workload["spec"]["replicas"] == layout.replicas
    parts = templates(workload)
    assert sum(count * gpus_of(template) for count, template in parts) == layout.gpus
    assert all(gpus_of(template) % layout.tensor_parallel == 0 for _, template in parts)


def _check_arguments(layout: Serving, given: Mapping[str, Any], *, verbatim: bool) -> None:
    flags = [argument.partition("=")[0] for argument in given["args"] if argument.startswith("--")]
    assert len(flags) == len(set(flags))
    if verbatim:
        for argument in layout.engine_args:
            assert given["args"].count(argument) == 1
    variables = [entry["name"] for entry in given["env"]]
    assert len(variables) == len(set(variables))
    for name, value in layout.env if verbatim else ():
        assert [entry["value"] for entry in given["env"] if entry["name"] == name] == [value]


def _check_names(objects: Sequence[Manifest]) -> None:
    keys = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(keys) == len(set(keys))
    for each in _metadata(objects):
        assert len(each.get("name", "x")) <= 63
        assert NAME.fullmatch(each.get("name", "x"))
        for value in each["labels"].values():
            assert len(value) <= 63
            assert LABEL_VALUE.fullmatch(value)


def _metadata(objects: Sequence[Manifest]) -> Iterator[Mapping[str, Any]]:
    for each in objects:
        yield each["metadata"]
        if each in workloads(objects):
            yield from (template["metadata"] for _, template in templates(each))


def _check_selectors(objects: Sequence[Manifest], rendered: Sequence[Manifest]) -> None:
    """A Service or InferencePool finds Pods that answer requests, and no others; a Deployment finds its own alone."""
    pods = [template["metadata"]["labels"] for each in rendered for _, template in templates(each)]
    for each in objects:
        if each["kind"] == "Service":
            selector = each["spec"]["selector"]
        elif each["kind"] in ("InferencePool", "Deployment"):
            selector = each["spec"]["selector"]["matchLabels"]
        else:
            continue
        found = [labels for labels in pods if selector.items() <= labels.items()]
        assert found
        assert all(labels["placewright.dev/role"] == "serving" for labels in found)
        if each["kind"] != "Service" or each["metadata"]["name"] != found[0]["placewright.dev/request"]:
            assert len(found) == 1
