"""What a test does on a machine that has no control plane and cannot build one."""

from collections.abc import Mapping
from typing import NoReturn

import pytest

from tests.controlplane.assets import AssetsUnavailableError


def refuse_or_skip(error: AssetsUnavailableError, env: Mapping[str, str]) -> NoReturn:
    """Skips with one loud line; in CI (`CI` is set), where nobody would see that, fails."""
    if env.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(f"in CI the real API server must be there: {error}", pytrace=False)
    pytest.skip(f"NOT TESTED AGAINST A REAL API SERVER: {error}")
