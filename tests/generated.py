"""Every generated file of the repository: `python -m tests.generated --check` compares, `--write` writes.

`--check` never writes; it names each file that differs from what its source says now.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from placewright.api import reference
from placewright.api.crd import render_all
from tests.support import cli_reference
from tests.support.chart_files import crd_template, readme_with_values, schema_with_texts

ROOT = Path(__file__).resolve().parents[1]
CHART = Path("charts/placewright")

Render = Callable[[Path], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Files that are rendered from something else.

    Attributes:
        name: what the source is, for messages.
        render: the text of each file by its path inside the repository; gets the repository's root.
        whole_folder: a glob of files that may hold nothing but these; empty: none.
    """

    name: str
    render: Render
    whole_folder: str = ""


def _crds(_root: Path) -> dict[str, str]:
    return {f"crds/{name}": text for name, text in render_all().items()}


def _chart_crds(_root: Path) -> dict[str, str]:
    return {
        str(CHART / f"templates/crd-{name.partition('_')[2]}"): crd_template(text)
        for name, text in render_all().items()
    }


def _api_reference(_root: Path) -> dict[str, str]:
    return {"docs/api-reference.md": reference.render()}


def _chart_texts(root: Path) -> dict[str, str]:
    def read(name: str) -> str:
        return (root / CHART / name).read_text(encoding="utf-8")

    values = read("values.yaml")
    return {
        str(CHART / "README.md"): readme_with_values(read("README.md"), values),
        str(CHART / "values.schema.json"): schema_with_texts(read("values.schema.json"), values),
    }


SOURCES = (
    Source(name="the API types", render=_crds, whole_folder="crds/*"),
    Source(name="the API types", render=_chart_crds, whole_folder=str(CHART / "templates/crd-*")),
    Source(name="the API types", render=_api_reference),
    Source(name="the commands' own help", render=cli_reference.render),
    Source(name="the chart's values.yaml", render=_chart_texts),
)


def stale(root: Path, sources: Sequence[Source] = SOURCES) -> list[str]:
    """One line for each file that is missing, differs or should not be there."""
    found = []
    for source in sources:
        rendered = source.render(root)
        for name, text in rendered.items():
            file = root / name
            if not file.is_file():
                found.append(f"{name} is missing; it comes from {source.name}")
            elif file.read_text(encoding="utf-8") != text:
                found.append(f"{name} is not what comes from {source.name} now")
        found += [
            f"{name} is left over: it no longer comes from {source.name}" for name in _surplus(root, source, rendered)
        ]
    return found


def write(root: Path, sources: Sequence[Source] = SOURCES) -> list[str]:
    """Writes what is stale and removes what is left over; returns one line for each file touched."""
    touched = []
    for source in sources:
        rendered = source.render(root)
        for name, text in rendered.items():
            file = root / name
            if file.is_file() and file.read_text(encoding="utf-8") == text:
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            touched.append(f"wrote {name}")
        for name in _surplus(root, source, rendered):
            (root / name).unlink()
            touched.append(f"removed {name}")
    return touched


def _surplus(root: Path, source: Source, rendered: Mapping[str, str]) -> list[str]:
    if not source.whole_folder:
        return []
    there = (str(path.relative_to(root)) for path in sorted(root.glob(source.whole_folder)))
    return [name for name in there if name not in rendered]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one of both; 1 when --check finds something stale."""
    parser = argparse.ArgumentParser(prog="python -m tests.generated", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="compare only; never writes")
    mode.add_argument("--write", action="store_true", help="write what differs")
    told = parser.parse_args(arguments)
    if told.write:
        for line in write(ROOT):
            sys.stdout.write(f"{line}\n")
        return 0
    faults = stale(ROOT)
    for line in faults:
        sys.stderr.write(f"generated files: {line}; run `make crds`\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
