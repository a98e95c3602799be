"""Queries on one Prometheus server: bounded in bytes, series and time; every fault is typed, no credential is shown."""

import asyncio
import re
from functools import lru_cache
from typing import Final

import aiohttp

from placewright.telemetry.prometheus.answers import Answer, Series, read_answer, read_failure
from placewright.telemetry.prometheus.faults import FaultKind, QueryError
from placewright.telemetry.prometheus.server import Server, Token, server_at, session_for

__all__ = [
    "Answer",
    "FaultKind",
    "PrometheusClient",
    "QueryError",
    "Series",
    "Server",
    "Token",
    "server_at",
    "session_for",
]

_CHUNK_BYTES: Final = 65536
_QUERY_FAULTS: Final = (400, 422)
_LARGEST_ERROR_BYTES: Final = 16384


class PrometheusClient:
    """Asks one server.

    Both methods raise QueryError, and nothing else, when there is no usable answer.

    Args:
        session: from `session_for`; it is not closed here.
        server: where, and the bounds.
    """

    def __init__(self, session: aiohttp.ClientSession, server: Server) -> None:
        self._session = session
        self._token = Token(server.token_file, own=server.own_token)
        self.server = server

    async def instant(self, expr: str, at: float | None = None) -> Answer:
        """The value of an expression.

        Args:
            expr: PromQL.
            at: Unix time; None: now by the server's clock.
        """
        return await self._ask("query", {"query": expr} if at is None else {"query": expr, "time": f"{at:.3f}"})

    async def range(self, expr: str, start: float, end: float, step: float) -> Answer:
        """The values of an expression at start, start + step, ... up to end (Unix times, seconds)."""
        times = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return await self._ask("query_range", {"query": expr, **times})

    async def _ask(self, endpoint: str, form: dict[str, str]) -> Answer:
        server, token = self.server, self._token.value()
        form |= {"timeout": f"{round(server.timeout_seconds * 1000)}ms", "limit": str(server.max_series + 1)}
        try:
            async with self._session.post(
                f"{server.url}/api/v1/{endpoint}",
                data=form,
                headers={} if token is None else {"Authorization": f"Bearer {token}"},
                allow_redirects=False,  # another host must get neither the token nor the query
                timeout=aiohttp.ClientTimeout(total=server.timeout_seconds),
            ) as response:
                if response.status != 200:
                    said = await _read(response, _LARGEST_ERROR_BYTES, whole=False)
                    raise _refusal(response.status, _without(token, said))
                body = await _read(response, server.max_bytes, whole=True)
        except TimeoutError:
            raise QueryError(FaultKind.TIMEOUT, f"no answer in {server.timeout_seconds:g} s") from None
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            raise QueryError(FaultKind.BAD_ANSWER, _cut_off(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise QueryError(FaultKind.UNREACHABLE, str(error) or type(error).__name__) from None
        body = _without(token, body)
        # A large answer takes tens of milliseconds to read, which the event loop should not wait for.
        if len(body) > _CHUNK_BYTES:
            return await asyncio.to_thread(read_answer, body, max_series=server.max_series)
        return read_answer(body, max_series=server.max_series)


async def _read(response: aiohttp.ClientResponse, most: int, *, whole: bool) -> bytes:
    """The body, read no further than `most` bytes; a longer one is a fault when it is wanted whole."""
    parts, size = [], 0
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        parts.append(chunk)
        size += len(chunk)
        if size > most:
            response.close()  # the rest is not read, and the connection not used again
            if whole:
                raise QueryError(FaultKind.TOO_LARGE, f"more than {most} bytes")
            break
    return b"".join(parts)


def _refusal(status: int, body: bytes) -> QueryError:
    if 300 <= status < 400:
        return QueryError(FaultKind.STATUS, f"HTTP {status}: redirects are not followed")
    failure = read_failure(body)
    if failure is None:
        return QueryError(FaultKind.STATUS, f"HTTP {status}")
    kind, text = failure
    if kind == "timeout":
        return QueryError(FaultKind.TIMEOUT, text)
    rejected = status in _QUERY_FAULTS
    return QueryError(FaultKind.QUERY_REJECTED if rejected else FaultKind.STATUS, f"HTTP {status}: {kind}: {text}")


def _cut_off(error: aiohttp.ClientError) -> str:
    return "the answer is cut off" if isinstance(error, aiohttp.ClientPayloadError) else "no HTTP answer"


def _without(token: str | None, body: bytes) -> bytes:
    """The body; a server that repeats our own token in it does not get it shown."""
    if not token:
        return body
    plain = body.replace(token.encode(), b"[token]")
    return _spelled(token).sub(b"[token]", plain) if b"\\" in plain else plain


@lru_cache(maxsize=4)
def _spelled(token: str) -> re.Pattern[bytes]:
    r"""The token as JSON may also write it: any character as \u0041, and some after a backslash."""
    letters = (rf"(?:\\?{re.escape(char)}|\\u00(?i:{ord(char):02x}))" for char in token)
    return re.compile("".join(letters).encode())
