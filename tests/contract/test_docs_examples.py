"""What the pages show can be used as it stands: manifests are valid, commands print that, links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from placewright.api.validate import validate

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
MANIFESTS = re.compile(r"^```yaml\n(apiVersion: placewright\.dev/.*?)^```$", flags=re.DOTALL | re.MULTILINE)
SHOWN = re.compile(r"^```text\n\$ (placewright .*?)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?P<file>[^)#:\s]+)(?:#[^)]*)?\)")


def manifests() -> list[tuple[str, str]]:
    return [
        (f"{page.relative_to(ROOT)}[{index}]", text)
        for page in DOCS
        for index, text in enumerate(MANIFESTS.findall(page.read_text(encoding="utf-8")))
    ]


def test_there_are_manifests_to_check() -> None:
    assert "docs/fleet.md[0]" in [name for name, _ in manifests()]


@pytest.mark.parametrize(("name", "text"), manifests(), ids=[name for name, _ in manifests()])
def test_manifests_are_valid(name: str, text: str) -> None:
    found = validate(text, file=name)
    assert found.faults == ()
    assert [*found.requests, *found.pools, *found.policies, *found.profiles] != []
    assert found.others == ()


def objects(text: str) -> dict[tuple[str, str], Any]:
    return {
        (item["kind"], item["metadata"]["name"]): item
        for item in yaml.safe_load_all(text)
        if item is not None and "metadata" in item
    }


def test_the_page_of_fleets_shows_its_samples_as_they_are() -> None:
    samples: dict[tuple[str, str], Any] = {}
    for file in sorted((ROOT / "config/samples/fleet").glob("*.yaml")):
        samples |= objects(file.read_text(encoding="utf-8"))
    shown = objects(dict(manifests())["docs/fleet.md[0]"])
    assert len(shown) == 5
    assert shown == {key: samples[key] for key in shown}


def commands() -> list[tuple[str, str, str]]:
    """Each command that the README or the page of fleets shows, with what it prints."""
    return [
        (page, command, shown)
        for page in ("README.md", "docs/fleet.md")
        for command, shown in SHOWN.findall((ROOT / page).read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(
    ("page", "command", "shown"), commands(), ids=[f"{page}: {command}" for page, command, _ in commands()]
)
def test_commands_print_what_the_pages_show(page: str, command: str, shown: str) -> None:
    program, *arguments = shlex.split(command)
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert shown in done.stdout, f"{page} shows something else; it prints now:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", [*DOCS, *sorted(ROOT.glob("*.md"))], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    linked = [match["file"] for match in LINK.finditer(page.read_text(encoding="utf-8"))]
    assert [file for file in linked if not (page.parent / file).exists()] == []
