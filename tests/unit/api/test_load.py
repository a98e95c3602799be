from collections.abc import Sequence
from typing import Any

import pytest

from placewright.api import load as module
from placewright.api.load import Fault, load


def bodies(text: str) -> list[Any]:
    documents, faults = load(text, file="a.yaml")
    assert faults == []
    return [document.body for document in documents]


def only_fault(text: str) -> str:
    documents, faults = load(text, file="a.yaml")
    assert len(faults) == 1, (documents, faults)
    return str(faults[0])


def test_documents_are_numbered_as_they_stand_and_empty_ones_are_passed_over() -> None:
    documents, faults = load("---\na: 1\n---\n# nothing\n---\nb: 2\n", file="a.yaml")

    assert faults == []
    assert [(document.number, document.body) for document in documents] == [(1, {"a": 1}), (3, {"b": 2})]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e5", 1e5),
        ("5e-1", 0.5),
        (".5", 0.5),
        ("1.20", 1.2),
        ("-3", -3),
        ("+3", 3),
        ("017", 15),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("1_000", 1000),
        ("0", 0),
        ("-0", 0),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("1.2.3", "1.2.3"),
        ("on", True),
        ("No", False),
        ("true", True),
        ("~", None),
        ("", None),
        ("null", None),
        ("'1'", "1"),
        ("50ms", "50ms"),
        ("!!str 5", "5"),
        (".inf", float("inf")),
        ("9" * 5000, float("inf")),
        ("99999999999999999999999", 1e23),
    ],
)
def test_scalars_are_those_of_kubectl(text: str, value: object) -> None:
    assert bodies(f"a: {text}\n") == [{"a": value}]


def test_aliases_and_merges_are_followed() -> None:
    text = "base: &base {nodes: 1, gpu: L40S}\npools:\n- {<<: *base, nodes: 2}\n- *base\n"

    assert bodies(text)[0]["pools"] == [{"nodes": 2, "gpu": "L40S"}, {"nodes": 1, "gpu": "L40S"}]


def test_lists_of_objects_become_their_items_with_their_lines() -> None:
    text = "kind: List\nitems:\n- kind: A\n- kind: B\n  x: 1\n"
    documents, _ = load(text, file="a.yaml")

    assert [document.body["kind"] for document in documents] == ["A", "B"]
    assert documents[1].line_of(("x",)) == 5


def test_json_is_read_without_the_help_of_yaml() -> None:
    assert bodies('{"a": [1, 2.5, null, "\\u00e9", "a\\/b"]}') == [{"a": [1, 2.5, None, "é", "a/b"]}]


@pytest.mark.parametrize(
    ("location", "line"),
    [((), 1), (("spec",), 2), (("spec", "pools", 1, "gpu"), 6), (("spec", "pools", 0, "none"), 4), (("other",), 1)],
)
def test_a_field_has_a_line_or_that_of_what_is_around_it(location: Sequence[int | str], line: int) -> None:
    documents, _ = load("a: 1\nspec:\n  pools:\n  - gpu: A\n  - name: b\n    gpu: B\n", file="a.yaml")

    assert documents[0].line_of(location) == line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1, 2\n", "a.yaml:3: got did not find expected ',' or ']', wants YAML or JSON"),
        ("a: 1\nb: 2\na: 3\n", "a.yaml:3: got the key 'a' twice, wants each key once"),
        ('{"a": 1, "a": 2}', "a.yaml: got the key 'a' twice, wants each key once"),
        ('{"a": 1,, }', "a.yaml:1: got did not find expected node content, wants YAML or JSON"),
        ("- 1\n", "a.yaml:1: got list, wants an object with apiVersion, kind, metadata and spec"),
        ("a: !!python/object:os.system x\n", "a.yaml:1: got the tag 'python/object:os.system', wants plain YAML"),
        ("a: *nobody\n", "a.yaml:1: got found undefined alias, wants YAML or JSON"),
        ("? [a]\n: 1\n", "a.yaml:1: got a key that is no text, wants text"),
        ("a: {<<: 3}\n", "a.yaml:1: got << with something else, wants a mapping to merge"),
        ("a: &a [*a]\n", "a.yaml:1: got values nested too deep, wants at most 64 levels"),
        ("a: " + "[" * 65 + "]" * 65, "a.yaml:1: got values nested too deep, wants at most 64 levels"),
        ("[" * 100_000, "a.yaml: got values nested too deep, wants at most 64 levels"),
        ("- " * 100_000 + "a", "a.yaml: got values nested too deep, wants at most 64 levels"),
        ('{"a": ' + "[" * 65 + "]" * 65 + "}", "a.yaml: got values nested too deep, wants at most 64 levels"),
        ('{"a": ' + "[" * 200_000 + "]" * 200_000 + "}", "a.yaml: got values nested too deep, wants at most 64 levels"),
    ],
)
def test_what_cannot_be_read_is_one_line(text: str, said: str) -> None:
    assert only_fault(text) == said


def test_absurd_numbers_of_json_are_read_as_those_of_yaml() -> None:
    assert bodies('{"a": ' + "9" * 5000 + "}") == [{"a": float("inf")}]


def test_control_characters_are_a_fault_and_no_traceback() -> None:
    assert only_fault("a: \x00\n").startswith("a.yaml: got ")


def test_a_bomb_of_aliases_is_stopped() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    assert "too many values (aliases repeat them), wants at most 2000000" in only_fault("\n".join(lines))


def test_a_huge_text_is_refused_before_it_is_read() -> None:
    assert "characters, wants at most" in only_fault("a" * (module.MAX_CHARACTERS + 1))


def test_a_fault_of_a_later_json_document_names_the_document() -> None:
    fault = Fault(file="-", document=2, line=None, path="spec.pools", got="nothing", wants="a value")

    assert str(fault) == "- (document 2): spec.pools: got nothing, wants a value"
