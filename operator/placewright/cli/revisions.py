"""Files of a git revision as texts, read with git itself: `git:REVISION` and `git:REVISION:PATH`.

Nothing is checked out and nothing is written. Hooks and filters do not run: blobs are read as they are stored.
"""

import posixpath
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from placewright.cli.documents import STDIN, is_manifest
from placewright.cli.faults import Fault, FaultsError
from placewright.cli.price_files import Opener, beside

PREFIX: Final = "git:"
WANTS: Final = "a file, a folder, git:REVISION or git:REVISION:PATH"
_FILE_TYPES: Final = ("100644", "100755")  # no links, no submodules


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What `git:REVISION[:PATH]` names.

    Attributes:
        given: as the user wrote it.
        name: of the revision.
        path: inside the current folder; empty: the paths of the other side.
    """

    given: str
    name: str
    path: str


def revision_of(text: str) -> Revision | None:
    """Read `git:REVISION[:PATH]`; None when it names files.

    Raises:
        FaultsError: it names no revision.
    """
    if not text.startswith(PREFIX):
        return None
    name, _, path = text.removeprefix(PREFIX).partition(":")
    if not name or name.startswith("-"):
        raise FaultsError([Fault(place=text, got="no name of a revision", wants=WANTS)])
    return Revision(given=text, name=name, path=path)


def read(revision: Revision, paths: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the texts of a revision with their names, and the paths that it does not hold.

    Args:
        revision: which one, and perhaps which path.
        paths: files and folders to read when the revision names no path of its own.

    Raises:
        FaultsError: git is missing, there is no repository, or the revision or its path is unknown.
    """
    wanted = [revision.path] if revision.path else list(paths)
    if not wanted or any(path == STDIN or path.startswith(PREFIX) for path in wanted):
        raise FaultsError([Fault(place=revision.given, got="no path", wants=f"{revision.given}:PATH")])
    git = _repository(revision, wanted)
    commit = git.commit(revision)
    texts: dict[str, str] = {}
    missing = []
    for path in wanted:
        blobs = git.blobs(commit, git.inside(path))
        if not blobs:
            missing.append(path)
        texts.update(git.texts(blobs, revision.name))
    if revision.path and missing:
        got = f"no {revision.path} with YAML or JSON in {revision.name}"
        raise FaultsError([Fault(place=revision.given, got=got, wants="a path of that revision, seen from here")])
    return list(texts.items()), missing


def _repository(revision: Revision, wanted: Sequence[str]) -> "_Git":
    relative = bool(revision.path) and not Path(revision.path).is_absolute()
    return _Git(Path.cwd() if relative else _folder_of(wanted[0]))


def opener(revision: Revision, paths: Sequence[str], name: str) -> Opener:
    """Return how files beside a text of a revision are opened: in the same revision.

    Args:
        revision: as for `read`.
        paths: as for `read`.
        name: of the text, as `read` gives it; an absolute path is one on disk.
    """
    folder = posixpath.dirname(name.removeprefix(f"{revision.name}:"))

    def read_blob(path: str) -> tuple[bytes, str]:
        from placewright.telemetry.prices.errors import PriceSourceError, wrong  # noqa: PLC0415 - --help needs none

        if posixpath.isabs(path):
            return beside(name)(path)
        inside = posixpath.normpath(posixpath.join(folder, path))
        git = _repository(revision, [revision.path] if revision.path else paths)
        data = git.blob(git.commit(revision), inside)
        title = f"{revision.name}:{inside}"
        if data is None:
            raise PriceSourceError(wrong(title, got="no such file", wants="a CSV or JSON table of prices"))
        return data, title

    return read_blob


def _folder_of(path: str) -> Path:
    """The nearest folder around a path that is there now."""
    folder = Path(path).resolve()
    while not folder.is_dir():
        folder = folder.parent
    return folder


class _Git:
    """Calls of git in one repository."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("git")
        if program is None:
            raise FaultsError([Fault(place="git", got="no such program", wants="git on the PATH to read a revision")])
        self._program = program
        self._folder = folder
        top = self._call("rev-parse", "--show-toplevel")
        if top is None:
            wants = "a folder inside a git repository"
            raise FaultsError([Fault(place=str(folder), got="no git repository", wants=wants)])
        self._top = Path(top.decode().rstrip("\n")).resolve()

    def commit(self, revision: Revision) -> str:
        """Return the commit that a name means."""
        found = self._call("rev-parse", "--verify", "--quiet", f"{revision.name}^{{commit}}")
        if found is None:
            wants = f"a branch, tag or commit of {self._top}"
            raise FaultsError([Fault(place=revision.given, got=f"no revision {revision.name!r}", wants=wants)])
        return found.decode().strip()

    def inside(self, path: str) -> str:
        """Return the path as the repository knows it."""
        whole = Path(path).resolve()
        if not whole.is_relative_to(self._top):
            raise FaultsError([Fault(place=path, got=f"a path outside {self._top}", wants="a path of the repository")])
        return whole.relative_to(self._top).as_posix()

    def blobs(self, commit: str, path: str) -> dict[str, str]:
        """Return the blobs of the manifests at or below a path, by their path."""
        limit = [] if path == "." else ["--", path]
        listed = self._call("ls-tree", "-r", "-z", "--full-tree", commit, *limit) or b""
        found = {}
        for entry in filter(None, listed.split(b"\0")):
            facts, _, raw = entry.partition(b"\t")
            mode, _, blob = facts.decode().split()
            name = raw.decode(errors="surrogateescape")
            if mode in _FILE_TYPES and (name == path or _is_read(name, path)):
                found[name] = blob
        return found

    def blob(self, commit: str, path: str) -> bytes | None:
        """Return the content of a file; None when there is none."""
        return self._call("cat-file", "blob", f"{commit}:{path}")

    def texts(self, blobs: Mapping[str, str], revision: str) -> dict[str, str]:
        """Return the texts of blobs by `REVISION:PATH`."""
        names = "".join(f"{blob}\n" for blob in blobs.values())
        answer = self._call("cat-file", "--batch", given=names.encode()) or b""
        found: dict[str, str] = {}
        faults: list[object] = []
        at = 0
        for path in blobs:
            name = f"{revision}:{path}"
            end = answer.find(b"\n", at)
            head = answer[at:end].decode().split() if end >= 0 else []
            if len(head) != 3:  # git says `missing`, or nothing
                faults.append(Fault(place=name, got="a blob that git cannot read", wants="a repository that is whole"))
                break
            content = answer[end + 1 : end + 1 + int(head[2])]
            at = end + 2 + len(content)
            try:
                found[name] = content.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                faults.append(Fault(place=name, got=f"byte {error.start} that is not UTF-8", wants="UTF-8 text"))
        if faults:
            raise FaultsError(faults)
        return found

    def _call(self, *arguments: str, given: bytes = b"") -> bytes | None:
        """Return what git prints; None when it fails."""
        command = [self._program, "-C", str(self._folder), *arguments]
        done = subprocess.run(command, capture_output=True, check=False, input=given)  # noqa: S603 - no shell
        return done.stdout if done.returncode == 0 else None


def _is_read(name: str, path: str) -> bool:
    """Whether a file below a path is read: the rules of folders hold (`documents.files_of`)."""
    below = PurePosixPath(name) if path == "." else PurePosixPath(name).relative_to(path)
    return is_manifest(name) and not _hidden(below.parts[:-1])


def _hidden(folders: Iterable[str]) -> bool:
    return any(each.startswith(".") for each in folders)
