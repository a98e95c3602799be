"""Options of the whole suite, Hypothesis profiles, and a process that Ctrl-C reaches.

Hypothesis draws the same examples on every run; `HYPOTHESIS_PROFILE=long` searches at random and longer.
"""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

# No example has a deadline, and none is judged by its speed: a busy machine is no fault of a test.
settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", deadline=None, database=None, max_examples=3000, suppress_health_check=_SLOW, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden outputs again instead of comparing")


def pytest_configure() -> None:
    """A shell starts what it puts in the background with SIGINT ignored, and all children would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
