"""Names and labels: within Kubernetes' limits, the same for the same content, apart for different content."""

import json
import re
from hashlib import sha256
from typing import Final

from placewright.kube.inventory.resources import REQUEST_LABEL

LAYOUT_LABEL: Final = "placewright.dev/layout"
PLAN_LABEL: Final = "placewright.dev/plan"
ROLE_LABEL: Final = "placewright.dev/role"
MODEL_LABEL: Final = "llm-d.ai/model"
"""OpenCost and llm-d attribute by it."""

MANAGER: Final = "placewright"
SERVING: Final = "serving"
WORKER: Final = "worker"

LONGEST_NAME: Final = 45
"""Characters of a workload's name. A LeaderWorkerSet's Pods and StatefulSets add an index each, and the label
controller-revision-hash ten more characters; a label holds 63."""

_DIGITS: Final = 8
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")
_NOT_IN_LABELS: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_LABEL: Final = 63


def digest(content: object) -> str:
    """Eight hex digits over plain data."""
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:_DIGITS]


def service_name(request: str) -> str:
    """A DNS label for a request: its own name where that is one that is short enough, else with a hash of it."""
    plain = _NOT_IN_NAMES.sub("-", request.lower()).strip("-")
    if not plain[:1].isalpha():
        plain = f"m-{plain}"
    if plain == request and len(plain) <= LONGEST_NAME:
        return plain
    return f"{plain[: LONGEST_NAME - _DIGITS - 1].rstrip('-')}-{digest(request)}"


def workload_name(request: str, layout: str) -> str:
    """The name of a layout's workload: the request's, cut where it is long, and the layout's digest."""
    return f"{service_name(request)[: LONGEST_NAME - _DIGITS - 1].rstrip('-')}-{layout}"


def backend_name(workload: str) -> str:
    """The Service of a workload. A LeaderWorkerSet makes one with its own name, by which its Pods find each other."""
    return f"{workload}-http"


def label_value(text: str) -> str:
    """The text as the value of a label: `meta-llama/Llama-3.1-8B` becomes `meta-llama-Llama-3.1-8B`."""
    return _NOT_IN_LABELS.sub("-", text)[:_LONGEST_LABEL].strip("-_.")


def pod_labels(request: str, layout: str, model: str, runtime: str, role: str) -> dict[str, str]:
    """Labels of the Pods of a layout; they do not change while only the number of replicas does."""
    return {
        **common_labels(request, model),
        "app.kubernetes.io/name": runtime,
        "app.kubernetes.io/instance": workload_name(request, layout),
        LAYOUT_LABEL: layout,
        ROLE_LABEL: role,
    }


def common_labels(request: str, model: str) -> dict[str, str]:
    """Labels of everything that is rendered for a request."""
    return {
        "app.kubernetes.io/component": "inference",
        "app.kubernetes.io/managed-by": MANAGER,
        "app.kubernetes.io/part-of": service_name(request),
        MODEL_LABEL: label_value(model),
        REQUEST_LABEL: service_name(request),
    }


def selector_of(request: str, layout: str) -> dict[str, str]:
    """Labels that choose the Pods of a layout that answer requests."""
    return {REQUEST_LABEL: service_name(request), LAYOUT_LABEL: layout, ROLE_LABEL: SERVING}
