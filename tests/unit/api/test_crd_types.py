from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from placewright.api.crd import custom_resource_definition, render_all, spec_schema
from placewright.api.kinds import KINDS
from placewright.api.schema import structural_schema

# Of later issues: none of them may be accepted and ignored before then.
LATER_FIELDS = {"disaggregated"}


# An accelerator is given whole or not at all, so nothing is to be filled in where there is none.
DEFAULTS_ONLY_WHERE_WRITTEN = {("GPUPool", "accelerator"), ("PlacementRequest", "ramp")}


def nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{path}[]")


def all_nodes() -> list[tuple[str, dict[str, Any]]]:
    """Every node of every kind's schema, as `GPUPool.spec.gpu`."""
    found = []
    for kind in KINDS:
        version = custom_resource_definition(kind)["spec"]["versions"][0]
        properties = version["schema"]["openAPIV3Schema"]["properties"]
        found += [node for part in ("spec", "status") for node in nodes(properties[part], f"{kind}.{part}")]
    return found


def spec_nodes() -> list[tuple[str, dict[str, Any]]]:
    return [(path, node) for path, node in all_nodes() if path.split(".")[1].startswith("spec")]


def test_every_list_map_and_text_has_a_maximum() -> None:
    limits = {"array": "maxItems", "string": "maxLength"}
    unlimited = [
        path
        for path, node in all_nodes()
        if (limit := limits.get(node["type"])) and limit not in node and "enum" not in node
    ]
    maps = [path for path, node in all_nodes() if "additionalProperties" in node and "maxProperties" not in node]

    assert unlimited == []
    assert maps == []


def test_every_number_of_the_spec_has_both_bounds() -> None:
    open_ended = [
        path
        for path, node in spec_nodes()
        if node["type"] in {"integer", "number"} and not {"minimum", "maximum"} <= set(node)
    ]

    assert open_ended == []


def test_bounds_are_whole_numbers() -> None:
    """The API server cuts the fraction of a bound off where an integer is given."""
    bounds = [node[key] for _, node in all_nodes() for key in ("minimum", "maximum") if key in node]

    assert bounds == [int(bound) for bound in bounds]


def test_every_field_has_a_text() -> None:
    assert [path for path, node in all_nodes() if "description" not in node and not path.endswith("[]")] == []


def test_fields_of_later_issues_are_not_there() -> None:
    names = {name for _, node in spec_nodes() for name in node.get("properties", ())}

    assert names & LATER_FIELDS == set()


@pytest.mark.parametrize("kind", KINDS)
def test_parents_whose_children_have_defaults_have_one_themselves(kind: str) -> None:
    """Otherwise the server would fill in the children only where the parent is written."""
    spec = spec_schema(kind)
    lost = [
        name
        for name, node in spec["properties"].items()
        if any("default" in below for below in node.get("properties", {}).values())
        and name not in spec.get("required", ())
        and node.get("default") != {}
        and (kind, name) not in DEFAULTS_ONLY_WHERE_WRITTEN
    ]

    assert lost == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_of_a_crd_has_no_anchors_and_reads_back_as_it_is(kind: str) -> None:
    text = render_all()[f"placewright.dev_{KINDS[kind].plural}.yaml"]

    assert yaml.safe_load(text) == custom_resource_definition(kind)
    assert not any(line.split(": ")[-1].startswith(("&", "*")) for line in text.splitlines())


def test_every_kind_has_a_crd_with_names_of_its_own() -> None:
    assert len(render_all()) == len(KINDS) == 4
    scopes = {kind: custom_resource_definition(kind)["spec"]["scope"] for kind in KINDS}
    assert scopes == {
        "PlacementRequest": "Namespaced",
        "GPUPool": "Cluster",
        "PlacementPolicy": "Cluster",
        "PerformanceProfile": "Cluster",
    }
    names = [custom_resource_definition(kind)["spec"]["names"] for kind in KINDS]
    assert [entry["shortNames"] for entry in names] == [["plr"], ["gpool"], ["ppol"], ["pprof"]]
    assert len({entry["plural"] for entry in names}) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_columns_point_at_fields_that_there_are(kind: str) -> None:
    version = custom_resource_definition(kind)["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]

    for column in version["additionalPrinterColumns"]:
        node = schema
        if column["jsonPath"].startswith((".metadata", ".status.conditions")):
            continue
        for name in column["jsonPath"].split(".")[1:]:
            node = node["properties"][name]
        assert node["type"] == column["type"], column


def test_a_field_may_be_called_like_a_keyword() -> None:
    class Inner(BaseModel):
        title: str = Field(max_length=3)
        """A title."""
        properties: int | None = None

    schema = structural_schema(Inner)

    assert schema["properties"]["title"] == {"description": "A title.", "type": "string", "maxLength": 3}
    assert schema["properties"]["properties"] == {"type": "integer"}


def test_a_keyword_that_would_be_lost_is_an_error() -> None:
    class Strange(BaseModel):
        model_config = ConfigDict(json_schema_extra={"contentEncoding": "x"})

    with pytest.raises(TypeError, match="contentEncoding"):
        structural_schema(Strange)


def test_exclusive_bounds_are_those_of_openapi_3_0() -> None:
    class Bounded(BaseModel):
        share: float = Field(gt=0, lt=1)

    assert structural_schema(Bounded)["properties"]["share"] == {
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 1,
        "exclusiveMaximum": True,
    }
