"""Reads one source of prices: file, ConfigMap, OpenCost or Prometheus."""

import asyncio
import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp

from placewright.api.price_rows import PriceRow
from placewright.api.price_sources import PriceConfigMap, PriceOpenCost, PricePrometheus, PriceSource
from placewright.handlers.cache import Json
from placewright.kube.client import ApiError, UnreachableError
from placewright.telemetry.prices import opencost
from placewright.telemetry.prices.errors import PriceSourceError, wrong
from placewright.telemetry.prices.files import read_file
from placewright.telemetry.prices.series import rows_of_series
from placewright.telemetry.prices.tables import form_of, read_table
from placewright.telemetry.prometheus.client import Answer, QueryError

_TOLD_NODES: Final = 3


class Queries(Protocol):
    """The seam: asks Prometheus (`PriceQueries` does)."""

    async def ask(self, expr: str) -> Answer:
        """The value of a query now; raises QueryError."""
        ...

    async def close(self) -> None:
        """Gives connections back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRead:
    """What a source gives, and what should be known besides, one line each."""

    rows: tuple[PriceRow, ...]
    notes: tuple[str, ...] = ()


class ConfigMaps(Protocol):
    """The seam: reads a ConfigMap (`KubeClient` does)."""

    async def get_config_map(self, namespace: str, name: str) -> Json | None:
        """One ConfigMap; None when there is none."""
        ...


class PriceReader(Protocol):
    """The seam: reads a source (`SourceReader` does)."""

    async def read(self, source: PriceSource) -> SourceRead:
        """What a source gives now; raises PriceSourceError."""
        ...

    async def close(self) -> None:
        """Gives connections back."""
        ...


class SourceReader:
    """Reads sources of every kind.

    Args:
        config_maps: the API server.
        namespace: the operator's own, the only one whose ConfigMaps are read; empty: not known, so that none is.
        folder: where files of prices are mounted; no other file is read.
        queries: Prometheus.
    """

    def __init__(
        self,
        *,
        config_maps: ConfigMaps,
        namespace: str,
        folder: Path,
        queries: Queries,
    ) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._config_maps = config_maps
        self._namespace = namespace
        self._folder = folder
        self._queries = queries

    async def read(self, source: PriceSource) -> SourceRead:
        """What a source gives now; raises PriceSourceError."""
        if source.file is not None:
            rows = await asyncio.to_thread(read_file, source.file, self._folder, confined=True)
            return SourceRead(rows=rows)
        if source.config_map is not None:
            return await self._config_map(source.config_map)
        if source.open_cost is not None:
            return await self._open_cost(source.open_cost)
        if source.prometheus is not None:
            return await self._prometheus(source.prometheus)
        raise PriceSourceError(wrong(source.name, got="nothing", wants="file, configMap, openCost or prometheus"))

    async def close(self) -> None:
        """Gives connections back."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        await self._queries.close()

    async def _config_map(self, source: PriceConfigMap) -> SourceRead:
        if not self._namespace:
            got = "no namespace of the operator's own"
            raise PriceSourceError(wrong("configMap", got=got, wants="$POD_NAMESPACE or --own-namespace"))
        place = f"ConfigMap {self._namespace}/{source.name}"
        try:
            found = await self._config_maps.get_config_map(self._namespace, source.name)
        except ApiError as error:
            refused = error.status in {401, 403}
            got = f"{error.status} {error.reason}".strip()
            wants = "the right to get it" if refused else "it"
            raise PriceSourceError(wrong(place, got=got, wants=wants), broken=refused) from None
        except UnreachableError:
            line = wrong(place, got="no answer of the API server", wants="it")
            raise PriceSourceError(line, broken=False) from None
        if found is None:
            raise PriceSourceError(wrong(place, got="no such ConfigMap", wants="one with the key " + source.key))
        data = _data_of(found, source.key, place)
        rows = await asyncio.to_thread(read_table, data, f"{place} {source.key}", form_of(source.key, source.format))
        return SourceRead(rows=rows)

    async def _open_cost(self, source: PriceOpenCost) -> SourceRead:
        if self._session is None:  # one of its own, without the credentials of the API server
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        body = await opencost.fetch(self._session, source)
        assets = await asyncio.to_thread(opencost.read_assets, body, cost=source.cost)
        if not assets.passed_over:
            return SourceRead(rows=assets.rows)
        names = ", ".join(assets.passed_over[:_TOLD_NODES])
        return SourceRead(
            rows=assets.rows,
            notes=(f"{len(assets.passed_over)} Nodes have GPUs that the catalog does not know, such as {names}",),
        )

    async def _prometheus(self, source: PricePrometheus) -> SourceRead:
        try:
            answer = await self._queries.ask(source.query)
        except QueryError as error:
            raise PriceSourceError(wrong("prometheus.query", got=str(error), wants="an answer"), broken=False) from None
        return SourceRead(
            rows=rows_of_series([(each.labels, each.points[-1]) for each in answer.series if each.points])
        )


def _data_of(found: Json, key: str, place: str) -> bytes:
    text: Any = (found.get("data") or {}).get(key)
    if isinstance(text, str):
        return text.encode()
    binary: Any = (found.get("binaryData") or {}).get(key)
    if isinstance(binary, str):
        try:
            return base64.b64decode(binary, validate=True)
        except (binascii.Error, ValueError):
            pass
    there = sorted({*(found.get("data") or {}), *(found.get("binaryData") or {})})
    raise PriceSourceError(wrong(place, got=f"only the keys {', '.join(there) or '(none)'}", wants=f"the key {key}"))
