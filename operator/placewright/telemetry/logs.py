"""Logging: one JSON object a line by default, plain text for people; no bodies, no secrets."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

_QUIET = ("kopf", "asyncio", "aiohttp", "kubernetes", "urllib3")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class TextFormatter(logging.Formatter):
    """`time LEVEL message key=value ...` for reading by eye."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class names it so
        """The line with what `extra` carried."""
        extra = " ".join(f"{key}={value}" for key, value in vars(record).items() if key not in _STANDARD)
        return f"{super().formatMessage(record)} {extra}".rstrip()


def _without_trace(record: logging.LogRecord) -> bool:
    """Drops the stack traces of kopf: what it cannot recover from ends the process, which says why in one line."""
    if record.name.startswith("kopf"):
        record.exc_info = record.exc_text = None
    return True


def configure_logging(*, text: bool, level: str) -> None:
    """Sends all logs to stderr, once.

    Args:
        text: plain text instead of JSON.
        level: as `INFO`; libraries stay at WARNING unless it is DEBUG.
    """
    handler = logging.StreamHandler(sys.stderr)
    if level != "DEBUG":
        handler.addFilter(_without_trace)
    handler.setFormatter(
        TextFormatter()
        if text
        else JsonFormatter(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
            exc_info_as_array=True,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "DEBUG" else logging.WARNING)
    # kopf puts whole objects into the records of this logger at DEBUG: bodies do not belong into logs.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
