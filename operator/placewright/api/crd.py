"""The CRDs, rendered from the types. `crds/*.yaml` hold the result, and a test compares them."""

from functools import cache
from typing import Any, Final

import yaml

from placewright.api.base import GROUP, LABEL_PATTERN, VERSION
from placewright.api.kinds import KINDS, Kind
from placewright.api.resource import KIND
from placewright.api.schema import structural_schema

PLURAL: Final = KINDS[KIND].plural

_HEADER: Final = "# Generated from operator/placewright/api by `placewright crds`; do not edit.\n"


@cache
def spec_schema(kind: str = KIND) -> dict[str, Any]:
    """Return the structural schema of a kind's spec."""
    return structural_schema(KINDS[kind].spec)


def _columns(kind: Kind) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "type": column.type,
            "description": column.text,
            "jsonPath": column.path,
            "priority": int(column.wide),
        }
        for column in kind.columns
    ]


def _version_schema(kind: Kind) -> dict[str, Any]:
    status = structural_schema(kind.status)
    # An object that no operator has seen never counts as current: kstatus compares this with the generation.
    status = {"description": status["description"], "type": "object", "default": {"observedGeneration": -1}, **status}
    metadata: dict[str, Any] = {"type": "object"}
    if kind.short_names:
        metadata["properties"] = {"name": {"type": "string", "maxLength": 63, "pattern": LABEL_PATTERN}}
    return {
        "description": kind.text,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": "Version of this representation of the object.", "type": "string"},
            "kind": {"description": "Kind of the object.", "type": "string"},
            "metadata": metadata,
            "spec": spec_schema(kind.name),
            "status": status,
        },
    }


def custom_resource_definition(kind: str = KIND) -> dict[str, Any]:
    """Return the CRD of a kind."""
    described = KINDS[kind]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{described.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": described.plural,
                "singular": kind.lower(),
                "shortNames": [described.short],
            },
            "scope": "Namespaced" if described.namespaced else "Cluster",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(described),
                    "schema": {"openAPIV3Schema": _version_schema(described)},
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
    return {f"{GROUP}_{kind.plural}.yaml": _HEADER + _text(kind.name) for kind in KINDS.values()}


def _text(kind: str) -> str:
    definition = custom_resource_definition(kind)
    return yaml.dump(definition, Dumper=_PlainDumper, sort_keys=False, width=118, allow_unicode=True)
