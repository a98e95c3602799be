"""The registry of generated files: what it finds stale, that --check never writes, and that --write mends."""

import shutil
from pathlib import Path

import pytest

from tests import generated
from tests.generated import Source, stale, write
from tests.support.chart_files import crd_template, documented_values, readme_with_values, schema_with_texts

ROOT = Path(__file__).resolve().parents[2]
PAGES = Source(name="the pages", render=lambda _root: {"docs/a.md": "A\n", "docs/b.md": "B\n"}, whole_folder="docs/*")


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def test_the_repository_is_up_to_date() -> None:
    assert stale(ROOT) == []
    assert generated.main(["--check"]) == 0


def test_missing_changed_and_left_over_files_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/b.md").write_text("old\n")
    (tmp_path / "docs/c.md").write_text("gone\n")
    before = contents(tmp_path)

    assert stale(tmp_path, [PAGES]) == [
        "docs/a.md is missing; it comes from the pages",
        "docs/b.md is not what comes from the pages now",
        "docs/c.md is left over: it no longer comes from the pages",
    ]
    assert contents(tmp_path) == before


def test_write_mends_what_check_names_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/b.md").write_text("old\n")
    (tmp_path / "docs/c.md").write_text("gone\n")

    assert write(tmp_path, [PAGES]) == ["wrote docs/a.md", "wrote docs/b.md", "removed docs/c.md"]

    assert contents(tmp_path) == {"docs/a.md": "A\n", "docs/b.md": "B\n"}
    assert write(tmp_path, [PAGES]) == []
    assert stale(tmp_path, [PAGES]) == []


def test_every_generated_file_of_a_copy_is_mended(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "charts", tmp_path / "charts")
    template = tmp_path / "charts/placewright/templates/crd-placementrequests.yaml"
    template.write_text("broken")
    (template.parent / "crd-former.yaml").write_text("former")

    write(tmp_path)

    assert stale(tmp_path) == []
    assert template.read_text() == (ROOT / "charts/placewright/templates/crd-placementrequests.yaml").read_text()
    assert not (template.parent / "crd-former.yaml").exists()
    assert (tmp_path / "crds").is_dir()
    assert (tmp_path / "docs/cli.md").is_file()
    assert (tmp_path / "docs/api-reference.md").is_file()


def test_exactly_one_of_both_is_asked_for() -> None:
    for arguments in ([], ["--check", "--write"]):
        with pytest.raises(SystemExit) as ended:
            generated.main(arguments)
        assert ended.value.code == 2


def test_braces_of_a_crd_are_no_template_of_helms() -> None:
    told = crd_template("kind: X\nmetadata:\n  name: x.y\nspec: '{{ a }}'\n")
    assert told.startswith("{{- if .Values.crds.enabled }}\n")
    assert """spec: '{{ "{{" }} a {{ "}}" }}'""" in told
    assert "helm.sh/resource-policy: keep" in told


def test_a_crd_without_metadata_is_refused() -> None:
    with pytest.raises(ValueError, match="metadata"):
        crd_template("kind: X\n")


def test_values_are_read_with_their_comments_and_maps_with_one_count_as_one() -> None:
    values = documented_values(
        "# a head\n\n# -- One.\n# More of it.\na: 1\nb:\n  # -- Two.\n  c: []\n# -- Three.\nd:\n  e: {f: 1}\ng: x\n"
    )
    assert [(value.path, value.default, value.text) for value in values] == [
        ("a", "1", "One. More of it."),
        ("b.c", "[]", "Two."),
        ("d", '{"e": {"f": 1}}', "Three."),
        ("g", '"x"', ""),
    ]


def test_a_readme_without_marks_and_a_schema_without_the_value_are_refused() -> None:
    with pytest.raises(ValueError, match="values: begin"):
        readme_with_values("# Chart\n", "a: 1\n")
    with pytest.raises(ValueError, match=r"knows no a\.b"):
        schema_with_texts('{"properties": {"a": {}}}', "a:\n  b: 1\n")
