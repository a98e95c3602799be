"""What a process needs around it before the solver is imported."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, MutableMapping
from pathlib import Path

_CACHE = "NUMBA_CACHE_DIR"
_PACKAGE = Path(__file__).parent.parent


def prepare_compile_cache(
    environ: MutableMapping[str, str], package: Path = _PACKAGE, temporary: Path | None = None
) -> None:
    """Choose where compiled kernels are kept, for this process and those that it starts.

    They are kept beside the source, which is also where an installation compiles them ahead. Where that folder is
    read-only (a system-wide installation, a container), numba knows only the home folder, and fails without one; so
    the first usable of the user's cache folder and a private temporary folder is named. A choice of the user stands.

    Args:
        environ: the environment, which is changed.
        package: folder of the package.
        temporary: folder for temporary files; the system's when left out.
    """
    if environ.get(_CACHE) or _is_writable(package / "core" / "__pycache__"):
        return
    for folder in _candidates(environ, temporary):
        if _is_private(folder):
            environ[_CACHE] = str(folder)
            return


def _candidates(environ: MutableMapping[str, str], temporary: Path | None) -> Iterator[Path]:
    base = environ.get("XDG_CACHE_HOME") or (f"{environ['HOME']}/.cache" if environ.get("HOME") else "")
    if base.startswith("/"):
        yield Path(base) / "placewright" / "numba"
    with contextlib.suppress(FileNotFoundError):  # there is no folder for temporary files either
        yield (temporary or Path(tempfile.gettempdir())) / f"placewright-numba-{os.getuid()}"


def _is_writable(folder: Path) -> bool:
    """Whether files can be written there, now or after the folder is made."""
    existing = folder if folder.exists() else folder.parent
    return os.access(existing, os.W_OK | os.X_OK)


def _is_private(folder: Path) -> bool:
    """Whether the folder, made if need be, is this user's alone: what it holds is executed."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    owned = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
    return owned and os.access(folder, os.W_OK | os.X_OK)
