"""Where a Prometheus server is, how to prove who asks, and how much of an answer is taken."""

import os
import re
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from placewright.core.errors import InvalidRequestError
from placewright.telemetry.prometheus.faults import FaultKind, QueryError

DEFAULT_TIMEOUT_SECONDS: Final = 10.0
MAX_BYTES: Final = 4 * 1024 * 1024
MAX_SERIES: Final = 1000
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_LONGEST_PATH: Final = 90  # of a token file, in messages
_LARGEST_TOKEN_BYTES: Final = 65536
# Where tokens stand that prove to others who the operator is: Kubernetes' own, and those that clouds mount beside it.
_OWN_TOKENS: Final = (
    "proc",
    "var/run/secrets/kubernetes.io",
    "var/run/secrets/eks.amazonaws.com",
    "var/run/secrets/azure",
    "run/secrets/kubernetes.io",
    "run/secrets/eks.amazonaws.com",
    "run/secrets/azure",
)
_WANTS_URL: Final = "http(s)://HOST[:PORT][/PATH] without user, query or fragment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A Prometheus server, as the operator's options or a PlacementPolicy name it; never a request.

    Attributes:
        url: without a slash at the end, as `http://prometheus.monitoring:9090` or with a path before `/api/v1`.
        token_file: holds a bearer token; read again when the file changes. None: no token is sent.
        own_token: whether the token may be one that stands for the operator itself. Its options may send that; what a
            policy names may not.
        ca_file: authorities that sign the server's certificate; None: those of the system.
        timeout_seconds: of one query, from connecting to the last byte.
        max_bytes: of one answer.
        max_series: of one answer.
    """

    url: str
    token_file: str | None = None
    own_token: bool = True
    ca_file: str | None = None
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    max_bytes: int = MAX_BYTES
    max_series: int = MAX_SERIES


def server_at(
    url: str,
    *,
    token_file: str | None = None,
    own_token: bool = True,
    ca_file: str | None = None,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    field: str = "--prometheus-url",
) -> Server:
    """The server at a URL that somebody wrote.

    Args:
        url: see Server.
        token_file: see Server.
        own_token: see Server.
        ca_file: see Server.
        timeout_seconds: see Server.
        field: what messages call the URL.

    Raises:
        InvalidRequestError: it is no such URL. Credentials in it are refused, and not repeated in the message.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise InvalidRequestError(field, got="no URL", wants=_WANTS_URL) from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise InvalidRequestError(field, got="a URL with credentials", wants="the token in a file of its own")
    if not usable or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise InvalidRequestError(field, got=repr(url), wants=_WANTS_URL)
    return Server(
        url=url.rstrip("/"),
        token_file=token_file,
        own_token=own_token,
        ca_file=ca_file,
        timeout_seconds=timeout_seconds,
    )


class Token:
    """The bearer token of a file, read again whenever the file is another one or has changed.

    Args:
        path: of the file; None: there is no token.
        own: see Server.own_token.
        root: where the folders of the operator's own tokens are.
    """

    def __init__(self, path: str | None, *, own: bool = True, root: Path = Path("/")) -> None:
        self._path = None if path is None else Path(path)
        self._forbidden = () if own else tuple((root / folder).resolve() for folder in _OWN_TOKENS)
        self._seen: tuple[int, int, int] | None = None
        self._value = ""

    def __repr__(self) -> str:
        return f"Token({self._path})"  # never the value

    def value(self) -> str | None:
        """The token; None when there is no file to read.

        Raises:
            QueryError: the file cannot be read or holds no token.
        """
        if self._path is None:
            return None
        try:
            # Secrets are rotated by moving a link, so the inode tells more than the time does.
            found = self._path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._value = self._read(self._path, found)
                self._seen = seen
        except OSError as error:
            raise _unusable(self._path, error.strerror or "cannot be read") from None
        return self._value

    def _read(self, path: Path, found: os.stat_result) -> str:
        # Links are followed: a mounted folder may hold one, and what it leads to counts.
        if any(path.resolve().is_relative_to(folder) for folder in self._forbidden):
            raise _unusable(path, "got a token of the operator's, wants a file that is not the operator's own")
        if not stat.S_ISREG(found.st_mode):
            raise _unusable(path, "got no file, wants one with a token")
        text = path.read_bytes().strip() if found.st_size <= _LARGEST_TOKEN_BYTES else b""
        value = text.decode("ascii", errors="replace")
        if _TOKEN.fullmatch(value) is None:
            raise _unusable(path, "got no token, wants one on a single line")
        return value


def _unusable(path: Path, why: str) -> QueryError:
    """The fault of a token file. A text is cut where it gets long, so a long path gives way to what is wrong."""
    name = str(path)
    shown = name if len(name) <= _LONGEST_PATH else f"...{name[-_LONGEST_PATH:]}"
    return QueryError(FaultKind.CREDENTIALS, f"token file {shown}: {why}")


def session_for(server: Server) -> aiohttp.ClientSession:
    """A new HTTP session for this server; whoever asks for it closes it.

    Raises:
        InvalidRequestError: the CA file cannot be read.
    """
    try:
        tls = ssl.create_default_context(cafile=server.ca_file)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or "no certificates"
        raise InvalidRequestError(f"CA file {server.ca_file}", got=why, wants="certificates in PEM") from None
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "placewright", "Accept-Encoding": "identity", "Accept": "application/json"},
        auto_decompress=False,  # so that a small answer cannot unpack into a large one
    )
