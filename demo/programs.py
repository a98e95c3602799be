"""Commands of placewright that the demo runs as a person would."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.calls import DemoError

_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def run(program: Path, *arguments: str, env: Mapping[str, str] | None = None, given: str = "") -> Ended:
    """Runs `placewright ARGUMENTS` to its end.

    Args:
        program: the placewright program.
        arguments: of the command line.
        env: its whole environment; None: that of this process.
        given: on its standard input.

    Raises:
        DemoError: it does not start, or does not end in time.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [str(program), *arguments],
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
            env=None if env is None else dict(env),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DemoError(f"placewright {' '.join(arguments)}: {error}") from error
    return Ended(code=done.returncode, out=done.stdout, err=done.stderr)
