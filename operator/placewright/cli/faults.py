"""What a user must fix, one line per fault."""

from collections.abc import Iterable
from dataclasses import dataclass

from placewright.core.errors import InvalidRequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing to fix.

    Attributes:
        source: file (with the document, when it holds several) or option.
        field: path of the field as the user writes it; empty when the fault is about the whole source.
        got: what stands there.
        wants: what may stand there.
    """

    source: str
    field: str
    got: str
    wants: str

    def __str__(self) -> str:
        """One line, whatever the values hold."""
        where = ": ".join(part for part in (self.source, self.field) if part)
        said = ", ".join(f"{verb} {text}" for verb, text in (("got", self.got), ("wants", self.wants)) if text)
        return " ".join(f"{where}: {said}".split())


class FaultsError(Exception):
    """The input has faults; nothing was planned."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults))


def fault_of(source: str, error: InvalidRequestError) -> Fault:
    """Return a core's refusal as a fault of the source."""
    return Fault(source=source, field=error.field, got=str(error.got), wants=error.wants)
