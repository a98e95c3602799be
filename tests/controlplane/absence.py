"""What a test does on a machine that has no control plane and cannot build one."""

from collections.abc import Mapping
from typing import NoReturn

import pytest

from tests.controlplane.assets import AssetsUnavailableError

# One text for every missing program, so that pytest folds a whole skipped tier into one line.
NOT_TESTED = (
    "NOT TESTED AGAINST A REAL API SERVER: there is no Go and there are no ready binaries. Install Go 1.26 or newer "
    "and run `python -m tests.controlplane build` (about ten minutes on two cores, once), or set KUBEBUILDER_ASSETS "
    "to a folder with them."
)


def refuse_or_skip(error: AssetsUnavailableError, env: Mapping[str, str]) -> NoReturn:
    """Skips with one loud text; in CI (`CI` is set), where nobody would see that, fails."""
    if env.get("CI", "").lower() not in ("", "0", "false"):
        raise pytest.fail.Exception(f"in CI the real API server must be there: {error}", pytrace=False) from None
    raise pytest.skip.Exception(NOT_TESTED) from None
