"""Where Pods may stand: Nodes with the GPUs of a pool, and how many of them a Pod takes."""

import re
from collections.abc import Iterator
from typing import Any, Final

from placewright import catalog
from placewright.api.hardware import LabelSelector
from placewright.catalog.files import NODE_LABELS, document
from placewright.kube.manifests.refusal import RenderRefusedError
from placewright.kube.manifests.values import Manifest, Site

RESOURCES: Final = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}
"""Extended resource of one whole GPU, by vendor; the inventory counts the same ones."""

_LABEL_VALUE: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")


def resource_of(site: Site) -> str:
    """The extended resource of the site's GPUs.

    Raises:
        RenderRefusedError: the vendor has none that Placewright knows.
    """
    found = RESOURCES.get(site.vendor)
    if found is None:
        raise RenderRefusedError(
            f"GPUs of {site.vendor} in pool {site.pool} have no resource name that is known",
            change=f"use pools with GPUs of {' or '.join(RESOURCES)}",
        )
    return found


def node_affinity(site: Site) -> Manifest:
    """The Nodes of a site.

    A GPUPool's selector says which they are; where the pool names its GPU, Nodes with another one are kept out, and
    Nodes that say nothing of their GPU are taken, as the inventory does. Without a selector the Node has to name the
    GPU by a label.

    Raises:
        RenderRefusedError: neither a selector nor a label finds the Nodes.
    """
    if site.selector is None:
        terms = [[_expression(label, "In", values)] for label, values in _telling(site, certain=True)]
        if not terms:
            raise RenderRefusedError(
                f"no Node label names the GPU {site.gpu} of pool {site.pool}",
                change="give a GPUPool with a nodeSelector for these Nodes",
            )
    else:
        base = _expressions(site.selector)
        terms = [base]
        if site.names_gpu:
            telling = list(_telling(site, certain=False))
            terms = [[*base, _expression(label, "In", values)] for label, values in telling]
            every = [kind.label for kind in catalog.node_labels().kinds]
            terms.append([*base, *(_expression(label, "DoesNotExist", ()) for label in every)])
    return {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": expressions} for expressions in terms if expressions]
        }
    }


def tolerations(site: Site) -> list[Manifest]:
    """The pool's own tolerations, and that of the taint by which GPU Nodes keep other Pods away."""
    found: list[Manifest] = [{"key": resource_of(site), "operator": "Exists", "effect": "NoSchedule"}]
    for each in site.tolerations:
        given = each.model_dump(by_alias=True, exclude_none=True)
        if given not in found:
            found.append(given)
    return found


def _expressions(selector: LabelSelector) -> list[Manifest]:
    labels = sorted((selector.match_labels or {}).items())
    found = [_expression(key, "In", (value,)) for key, value in labels]
    found += [_expression(term.key, term.operator, term.values or ()) for term in selector.match_expressions or ()]
    return found


def _expression(key: str, operator: str, values: tuple[str, ...] | list[str]) -> Manifest:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def _telling(site: Site, *, certain: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Labels that name the site's GPU, with the values that do.

    Args:
        site: whose GPU.
        certain: leave out values that stand for several GPUs.
    """
    for kind in catalog.node_labels().kinds:
        if kind.values is None:
            values = _products(site, kind.label)
        else:
            values = tuple(
                value for value, gpus in kind.values.items() if site.gpu in gpus and (len(gpus) == 1 or not certain)
            )
        if values:
            yield kind.label, values


def _products(site: Site, label: str) -> tuple[str, ...]:
    """Product names of a GPU as its vendor's labels have them: AMD's labeller writes underscores for spaces."""
    vendor = "amd" if label.endswith("amd.com/gpu.product-name") else "nvidia"
    try:
        known = catalog.gpu_defaults(site.gpu)
    except catalog.UnknownKeyError:
        return ()
    if vendor != site.vendor:
        return ()
    rows: list[dict[str, Any]] = document(NODE_LABELS)["products"]
    names = [known.key, *known.aliases, *(row["value"] for row in rows if row["gpu"] == known.key)]
    written = (name.replace("-", "_") if vendor == "amd" else name for name in names)
    return tuple(dict.fromkeys(name for name in written if _LABEL_VALUE.fullmatch(name)))
