"""Files, folders and standard input as texts."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from placewright.cli.faults import Fault

STDIN: Final = "-"
_SUFFIXES: Final = (".yaml", ".yml", ".json")


def files_of(paths: Iterable[str], faults: list[object]) -> list[str]:
    """Return the files that the paths mean, each once: a folder means its YAML and JSON files at any depth.

    Hidden folders and links to folders are left out, so that neither a version control's files nor a loop are read.
    """
    found: dict[str, None] = {}
    for name in paths:
        if name == STDIN or not Path(name).is_dir():
            found[name] = None
            continue
        inside = list(_inside(name, faults))
        if not inside:
            faults.append(Fault(place=name, got="a folder without any", wants="*.yaml, *.yml or *.json"))
        found.update(dict.fromkeys(inside))
    return list(found)


def _inside(folder: str, faults: list[object]) -> Iterator[str]:
    def note(error: OSError) -> None:
        faults.append(_unreadable(str(error.filename or folder), error, "a folder that can be read"))

    for base, folders, names in os.walk(folder, onerror=note):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(names):
            if is_manifest(name) and (Path(base) / name).is_file():
                yield str(Path(base) / name)


def is_manifest(name: str) -> bool:
    """Whether a file in a folder is read: *.yaml, *.yml, *.json."""
    return Path(name).suffix in _SUFFIXES


def read_text(name: str, faults: list[object]) -> str | None:
    """Return the text of a file or of standard input; notes why it cannot be read."""
    try:
        data = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        faults.append(Fault(place=name, got="no such file", wants="a YAML or JSON file, a folder, or - for stdin"))
    except UnicodeDecodeError as error:
        faults.append(Fault(place=name, got=f"byte {error.start} that is not UTF-8", wants="UTF-8 text"))
    except OSError as error:
        faults.append(_unreadable(name, error, "a file that can be read"))
    return None


def _unreadable(name: str, error: OSError, wants: str) -> Fault:
    return Fault(place=name, got=(error.strerror or type(error).__name__).lower(), wants=wants)


def pool_list(name: str, text: str, faults: list[object]) -> list[Any] | None:
    """Return the list of pools that a text is, bare or under the key `pools`.

    None when it is something else: manifests, perhaps, which have an apiVersion and a kind. Notes what is neither.
    """
    import yaml  # noqa: PLC0415 - --help needs no YAML

    from placewright.api.load import BoundedLoader  # noqa: PLC0415 - nor pydantic

    try:
        values = list(yaml.load_all(text, Loader=BoundedLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}" if mark is not None else name
        faults.append(Fault(place=place, got=getattr(error, "problem", None) or "a fault", wants="YAML or JSON"))
        return []
    if any(isinstance(value, dict) and "kind" in value for value in values):
        return None
    value = values[0] if len(values) == 1 else values
    pools = value["pools"] if isinstance(value, dict) and list(value) == ["pools"] else value
    if isinstance(pools, list) and pools and pools != [None]:
        return pools
    got = "nothing" if not value or value == [None] else f"a {type(value).__name__}"
    faults.append(Fault(place=name, got=got, wants="a list of pools, each as in spec.pools, or GPUPools"))
    return []
