"""The CRDs, rendered from the types. `crds/*.yaml` hold the result, and a test compares them."""

from functools import cache
from typing import Any, Final

import yaml

from placewright.api.base import GROUP, VERSION
from placewright.api.resource import KIND
from placewright.api.schema import structural_schema
from placewright.api.spec import PlacementRequestSpec
from placewright.api.status import PlacementRequestStatus

PLURAL: Final = "placementrequests"
FILE_NAME: Final = f"{GROUP}_{PLURAL}.yaml"

_HEADER: Final = "# Generated from operator/placewright/api by `placewright crds`; do not edit.\n"
_DESCRIPTION: Final = (
    "A PlacementRequest asks for the cheapest GPU layout of one model within its gates; its status holds the plan and"
    " the proof."
)


def _condition_path(condition: str, part: str) -> str:
    return f'.status.conditions[?(@.type=="{condition}")].{part}'


def _printer_columns() -> list[dict[str, Any]]:
    columns: tuple[tuple[str, str, str, str, int], ...] = (
        ("Ready", "string", _condition_path("Ready", "status"), "Whether the plan may be used", 0),
        ("Reason", "string", _condition_path("Ready", "reason"), "Why", 0),
        ("Pool", "string", ".status.plan.pool", "Pools of the main layout", 0),
        ("Prec", "string", ".status.plan.precision", "Weight precision", 0),
        ("TP", "integer", ".status.plan.tensorParallel", "Tensor-parallel degree", 0),
        ("PP", "integer", ".status.plan.pipelineParallel", "Pipeline stages", 0),
        ("Replicas", "integer", ".status.plan.replicas", "Replicas", 0),
        ("GPUs", "integer", ".status.plan.totalGPUs", "GPUs of all replicas", 0),
        ("$/h", "number", ".status.plan.costPerHour", "USD per hour", 0),
        ("$/Mtok", "number", ".status.plan.costPerMillionTokens", "USD per million tokens at full load", 0),
        ("Gates", "string", _condition_path("GatesPassed", "reason"), "Outcome of the gates", 0),
        ("Age", "date", ".metadata.creationTimestamp", "Time since creation", 0),
        ("Model", "string", ".spec.model.name", "Model to serve", 1),
        ("Gap", "number", ".status.solver.gapPercent", "Proved gap in percent", 1),
    )
    return [
        {"name": name, "type": kind, "description": text, "jsonPath": path, "priority": priority}
        for name, kind, path, text, priority in columns
    ]


@cache
def spec_schema() -> dict[str, Any]:
    """Return the structural schema of the spec."""
    return structural_schema(PlacementRequestSpec)


def _version_schema() -> dict[str, Any]:
    status = structural_schema(PlacementRequestStatus)
    # An object that no operator has seen never counts as current: kstatus compares this with the generation.
    status = {"description": status["description"], "type": "object", "default": {"observedGeneration": -1}, **status}
    return {
        "description": _DESCRIPTION,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": "Version of this representation of the object.", "type": "string"},
            "kind": {"description": "Kind of the object.", "type": "string"},
            "metadata": {"type": "object"},
            "spec": spec_schema(),
            "status": status,
        },
    }


def custom_resource_definition() -> dict[str, Any]:
    """Return the CRD of PlacementRequest."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["plr"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _printer_columns(),
                    "schema": {"openAPIV3Schema": _version_schema()},
                }
            ],
        },
    }


class _PlainDumper(yaml.SafeDumper):
    """No anchors and aliases: kubectl would read them, people would not."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the name is PyYAML's
        """Write every value out."""
        return True


def render_all() -> dict[str, str]:
    """Return the text of every CRD by file name."""
    text = yaml.dump(custom_resource_definition(), Dumper=_PlainDumper, sort_keys=False, width=118, allow_unicode=True)
    return {FILE_NAME: _HEADER + text}
