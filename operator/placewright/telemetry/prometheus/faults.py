"""Why a query has no usable answer: one word for the metric label and one line for people."""

from enum import StrEnum
from typing import Final

from placewright.core.errors import PlacewrightError

_LONGEST_TEXT: Final = 200


class FaultKind(StrEnum):
    """What went wrong with a query."""

    UNREACHABLE = "Unreachable"  # refused, reset, no such host, TLS
    TIMEOUT = "Timeout"  # of the client, or of the evaluation on the server
    STATUS = "Status"  # an HTTP status that is no answer; redirects are never followed
    BAD_ANSWER = "BadAnswer"  # not what Prometheus answers, or cut off
    TOO_LARGE = "TooLarge"  # more bytes than allowed
    TOO_MANY_SERIES = "TooManySeries"
    QUERY_REJECTED = "QueryRejected"  # the server understood, and says that the query is wrong
    CREDENTIALS = "Credentials"  # the token file cannot be read


class QueryError(PlacewrightError):
    """A query without a usable answer.

    Attributes:
        kind: for metrics and decisions.
        text: one line for people; never holds a credential.
    """

    def __init__(self, kind: FaultKind, text: str) -> None:
        self.kind = kind
        self.text = one_line(text)
        super().__init__(f"{kind}: {self.text}" if self.text else str(kind))


def one_line(text: str) -> str:
    """The text of a foreign server as one printable line of bounded length."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * _LONGEST_TEXT]).split())
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 3] + "..."
