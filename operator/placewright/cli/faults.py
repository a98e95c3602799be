"""What a user must fix, one line per fault."""

from collections.abc import Iterable
from dataclasses import dataclass

from placewright.core.errors import InvalidRequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing to fix in a file or an option.

    Attributes:
        place: file or option, with line and field where there are any.
        got: what stands there.
        wants: what may stand there.
    """

    place: str
    got: str
    wants: str

    def __str__(self) -> str:
        return f"{self.place}: got {self.got}, wants {self.wants}"


class FaultsError(Exception):
    """The input has faults; nothing was planned.

    Attributes:
        lines: one for each fault, none twice.
    """

    def __init__(self, faults: Iterable[object]) -> None:
        self.lines = tuple(dict.fromkeys(" ".join(str(fault).split()) for fault in faults))
        super().__init__("; ".join(self.lines))


def faults_of(error: InvalidRequestError) -> list[str]:
    """Return the faults that an error of the core, a catalog or a reader tells: it has one in each line."""
    return str(error).splitlines()
