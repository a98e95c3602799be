"""Optional parts of an installation."""

import importlib.util
from types import ModuleType

from placewright.cli.faults import Fault, FaultsError


def load(module: str, *, extra: str, what: str) -> ModuleType:
    """Import a module of an optional extra.

    Raises:
        FaultsError: it is not installed; says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        wants = f"{module.partition('.')[0]}; install it with: pip install 'placewright[{extra}]'"
        raise FaultsError([Fault(place=what, got="an installation without it", wants=wants)]) from None


def is_installed(module: str) -> bool:
    """Whether a module of an optional extra is there."""
    return importlib.util.find_spec(module) is not None
