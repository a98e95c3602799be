"""Files, folders and standard input as texts."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from placewright.cli.faults import Fault

STDIN: Final = "-"
_SUFFIXES: Final = (".yaml", ".yml", ".json")


def files_of(paths: Iterable[str], faults: list[object]) -> list[str]:
    """Return the files that the paths mean, each once: a folder means its YAML and JSON files, not those below it."""
    found: dict[str, None] = {}
    for name in paths:
        path = Path(name)
        if name == STDIN or not path.is_dir():
            found[name] = None
            continue
        try:
            inside = sorted(str(entry) for entry in path.iterdir() if entry.suffix in _SUFFIXES and entry.is_file())
        except OSError as error:
            faults.append(_unreadable(name, error, "a folder that can be read"))
            continue
        if not inside:
            faults.append(Fault(place=name, got="a folder without any", wants="*.yaml, *.yml or *.json"))
        found.update(dict.fromkeys(inside))
    return list(found)


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


def read_pools(name: str, faults: list[object]) -> list[Any] | None:
    """Read a list of pools, bare or under the key `pools`; notes why there is none."""
    import yaml  # noqa: PLC0415 - --help needs no YAML

    text = read_text(name, faults)
    if text is None:
        return None
    try:
        value = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}" if mark is not None else name
        faults.append(Fault(place=place, got=getattr(error, "problem", None) or "a fault", wants="YAML or JSON"))
        return None
    pools = value["pools"] if isinstance(value, dict) and list(value) == ["pools"] else value
    if isinstance(pools, list) and pools:
        return pools
    got = "nothing" if not value else f"a {type(value).__name__}"
    faults.append(Fault(place=name, got=got, wants="a list of pools, each as in spec.pools"))
    return None
