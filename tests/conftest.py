"""Options of the whole suite, and a process that Ctrl-C reaches."""

import signal

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden outputs again instead of comparing")


def pytest_configure() -> None:
    """A shell starts what it puts in the background with SIGINT ignored, and all children would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
