"""Structural OpenAPI schemas, as a CRD wants them, from the pydantic types."""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

_REF_PREFIX: Final = "#/$defs/"

# The keywords of a structural schema that these types use, in the order in which a reader wants them. Anything else
# is an error, so that no constraint is lost on the way.
_KEYWORDS: Final = (
    "description",
    "type",
    "format",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
)


class _StructuralSchema(GenerateJsonSchema):
    """Pydantic's generator without titles and null, and with attribute docstrings as descriptions."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """An optional field is simply not required; null is no value of it."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - the name is pydantic's
        """No field has a title: the API server has no use for it."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Give each property the docstring below its field."""
        result = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        texts = attribute_docstrings(model)
        for name, field in model.model_fields.items():
            if name in texts:
                result["properties"][field.alias or name]["description"] = texts[name]
        return result


def attribute_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the string below each field of a class, on one line. Read from the source only when a CRD is rendered."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    texts: dict[str, str] = {}
    for statement, after in pairwise(body):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            texts[statement.target.id] = " ".join(after.value.value.split())
    return texts


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the structural schema of a type: no references, no null, no titles, OpenAPI 3.0 bounds."""
    generated = model.model_json_schema(by_alias=True, schema_generator=_StructuralSchema, mode="validation")
    definitions = generated.pop("$defs", {})
    return _structural(generated, definitions)


def _structural(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    merged = _without_reference(node, definitions)
    merged.pop("title", None)
    if merged.get("default", ...) is None:
        del merged["default"]
    if "const" in merged:
        merged["enum"] = [merged.pop("const")]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in merged:
            merged[bound] = merged[exclusive]
            merged[exclusive] = True
    if "description" in merged:
        merged["description"] = " ".join(merged["description"].split())
    if "properties" in merged:
        merged["properties"] = {name: _structural(value, definitions) for name, value in merged["properties"].items()}
        merged.pop("additionalProperties", None)  # closed by pruning and by strict validation
    elif isinstance(merged.get("additionalProperties"), Mapping):
        merged["additionalProperties"] = _structural(merged["additionalProperties"], definitions)
    if "items" in merged:
        merged["items"] = _structural(merged["items"], definitions)
    unknown = merged.keys() - set(_KEYWORDS)
    if unknown:
        raise TypeError(f"no keyword of a structural schema: {', '.join(sorted(unknown))} in {node}")
    return {keyword: merged[keyword] for keyword in _KEYWORDS if keyword in merged}


def _without_reference(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the node with its reference replaced by what it names; what stands beside the reference wins."""
    own = {key: value for key, value in node.items() if key != "$ref"}
    if "$ref" not in node:
        return own
    target = definitions[node["$ref"].removeprefix(_REF_PREFIX)]
    return {**_without_reference(target, definitions), **own}
