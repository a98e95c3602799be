"""docs/cli.md says what the commands say, and the repository's own texts call only what exists."""

import re
from pathlib import Path

import click
import pytest

from placewright.cli.root import cli
from tests.support.cli_reference import PATH, render

_ROOT = Path(__file__).parents[2]

# The program stands first on its line or behind kubectl or a pipe; elsewhere the word names a namespace or a chart.
_CALL = re.compile(r"(?:^|\|) *(?:\$ )?(?:kubectl |\.venv/bin/)?placewright ([a-z]+)\b", re.MULTILINE)


def test_the_page_is_what_the_commands_say() -> None:
    assert (_ROOT / PATH).read_text(encoding="utf-8") == render(_ROOT)[PATH], "run `make docs`"


def test_the_page_has_every_command() -> None:
    text = (_ROOT / PATH).read_text(encoding="utf-8")
    for name in cli.list_commands(click.Context(cli)):
        assert f"\n### placewright {name}\n" in text


@pytest.mark.parametrize("later", ["check"])
def test_commands_of_later_releases_do_not_exist(later: str) -> None:
    assert later not in cli.list_commands(click.Context(cli))


def test_documents_call_commands_that_exist() -> None:
    names = set(cli.list_commands(click.Context(cli)))
    pages = [_ROOT / "README.md", *(_ROOT / "docs").rglob("*.md"), *(_ROOT / "charts").rglob("NOTES.txt")]
    called = {
        (page.name, match.group(1))
        for page in pages
        for match in _CALL.finditer(_code(page.read_text(encoding="utf-8")))
    }
    assert {(page, name) for page, name in called if name not in names} == set()


def _code(text: str) -> str:
    """The code of a page: fenced blocks of commands, and what stands in backticks."""
    fenced = re.findall(r"```(?:sh|bash|console|shell)\n(.*?)```", text, flags=re.DOTALL)
    return "\n".join([*fenced, *re.findall(r"`([^`\n]+)`", text)])
