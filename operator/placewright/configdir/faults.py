"""Faults of a folder: all of them are collected and reported together, one line each."""

from collections.abc import Sequence

from placewright.core.errors import InvalidRequestError

_SHOWN_CHARACTERS = 60


class ConfigDirError(InvalidRequestError):
    """One or more faults of a config-dir folder; its text has one line per fault.

    Attributes:
        faults: every fault; `field`, `got` and `wants` are those of the first.
    """

    def __init__(self, faults: Sequence[InvalidRequestError]) -> None:
        first = faults[0]
        super().__init__(first.field, got=first.got, wants=first.wants)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


class Faults:
    """Collects what is wrong while a folder is read, and says it all at once."""

    def __init__(self) -> None:
        self._found: list[InvalidRequestError] = []

    def add(self, where: str, *, got: str, wants: str) -> None:
        """Note a fault: `where` names file, line and field; `got` is shown as it stands."""
        self._found.append(InvalidRequestError(where, got=got, wants=wants))

    @property
    def count(self) -> int:
        """How much is wrong so far."""
        return len(self._found)

    def raise_any(self) -> None:
        """Raise ConfigDirError when there is a fault."""
        if self._found:
            raise ConfigDirError(self._found)


def shown(text: str) -> str:
    """A cell's text on one line, quoted, and cut when long; an empty cell in words."""
    if not text:
        return "nothing"
    quoted = repr(text)
    return quoted if len(quoted) <= _SHOWN_CHARACTERS else f"{quoted[: _SHOWN_CHARACTERS - 1]}…"
