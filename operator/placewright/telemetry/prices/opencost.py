"""Prices from OpenCost: what the Nodes of the cluster cost, of its API `/assets`.

A Node of the answer has, over the window, `GPUHours`, `gpuCost` and `totalCost` (which includes discounts and the
adjustment to the cloud's bill), its `nodeType` (instance type), `preemptible` and its labels as kube-state-metrics
writes them: `label_nvidia_com_gpu_product`. OpenCost's core/pkg/opencost/asset_json.go is the source.
"""

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, Literal

import aiohttp

from placewright import catalog
from placewright.api.live_prices import read_time
from placewright.api.parse import shown
from placewright.api.price_rows import PriceKey, PriceRow
from placewright.api.price_sources import PriceOpenCost
from placewright.telemetry.prices.errors import PriceSourceError, wrong

_PATH: Final = "/assets"
_MAX_BYTES: Final = 32 * 1024 * 1024
_TIMEOUT_SECONDS: Final = 10.0
_LEAST_GPU_HOURS: Final = 0.01  # of a Node that has just come nothing can be said yet
_ZONE: Final = "topology_kubernetes_io_zone"
_OLD_ZONE: Final = "failure_domain_beta_kubernetes_io_zone"
_INSTANCE_TYPE: Final = "node_kubernetes_io_instance_type"
_SHOWN: Final = 3


@dataclass(slots=True)
class _Sum:
    """What all Nodes of one kind cost together."""

    dollars: float = 0.0
    gpu_hours: float = 0.0
    end: str = ""


@dataclass(slots=True)
class Assets:
    """What an answer says.

    Attributes:
        rows: a price for each kind of Node with GPUs.
        passed_over: names of Nodes with GPUs of a kind that nobody knows.
    """

    rows: tuple[PriceRow, ...] = ()
    passed_over: list[str] = field(default_factory=list)


async def fetch(session: aiohttp.ClientSession, source: PriceOpenCost) -> bytes:
    """Ask OpenCost.

    Raises:
        PriceSourceError: no usable answer came.
    """
    place = source.url.rstrip("/") + _PATH
    query = {"window": source.window, "filter": 'assetType:"node"'}
    patience = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    try:
        async with session.get(
            place, params=query, timeout=patience, ssl=_tls(source), allow_redirects=False
        ) as response:
            if response.status != 200:
                raise PriceSourceError(wrong(place, got=f"HTTP {response.status}", wants="HTTP 200"))
            data = bytearray()
            async for chunk in response.content.iter_chunked(1 << 16):
                data += chunk
                if len(data) > _MAX_BYTES:
                    raise PriceSourceError(wrong(place, got="more", wants=f"at most {_MAX_BYTES:,} bytes"))
            return bytes(data)
    except TimeoutError:
        raise PriceSourceError(
            wrong(place, got="nothing in time", wants="an answer in 10 seconds"), broken=False
        ) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a host that is no name
        raise PriceSourceError(wrong(place, got=type(error).__name__, wants="an answer"), broken=False) from None


def _tls(source: PriceOpenCost) -> ssl.SSLContext | bool:
    if source.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=source.ca_file)
    except (OSError, ssl.SSLError):
        raise PriceSourceError(
            wrong("openCost.caFile", got=source.ca_file, wants="a file of certificates that can be read")
        ) from None


def read_assets(data: bytes, *, cost: Literal["Node", "GPU"]) -> Assets:
    """Make prices of an answer.

    Args:
        data: the body, `{"code": 200, "data": {NAME: ASSET, ...}}`; `data` may be a list of such objects, as Kubecost
            has it.
        cost: what of a Node its GPUs pay.

    Raises:
        PriceSourceError: it is no such answer, or has no Node with GPUs whose kind is known.
    """
    sums: dict[PriceKey, _Sum] = {}
    found = Assets()
    for name, asset in _nodes(data):
        hours = _gpu_hours(asset)
        if hours < _LEAST_GPU_HOURS:
            continue
        key = _key(asset)
        if key is None:
            found.passed_over.append(_plain(name))
            continue
        dollars = _figure(asset, "totalCost" if cost == "Node" else "gpuCost", name)
        total = sums.setdefault(key, _Sum())
        total.dollars += dollars
        total.gpu_hours += hours
        total.end = max(total.end, str(asset.get("end") or ""))
    if not sums:
        unknown = f": {', '.join(found.passed_over[:_SHOWN])} have GPUs that the catalog does not know"
        got = "no Node with GPUs" + (unknown if found.passed_over else "")
        raise PriceSourceError(wrong("openCost", got=got, wants="one at least"))
    found.rows = tuple(
        PriceRow(key=key, per_gpu_hour=total.dollars / total.gpu_hours, as_of=read_time(total.end))
        for key, total in sorted(sums.items())
    )
    return found


def _nodes(data: bytes) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise PriceSourceError(wrong("openCost", got="an answer that is no JSON", wants="that of /assets")) from None
    sets = body.get("data") if isinstance(body, dict) else None
    sets = [sets] if isinstance(sets, dict) else sets
    if not isinstance(sets, list) or not all(isinstance(each, dict) for each in sets):
        raise PriceSourceError(wrong("openCost", got="no data in the answer", wants='{"code": 200, "data": {...}}'))
    return [
        (name, asset)
        for each in sets
        for name, asset in each.items()
        if isinstance(asset, dict) and str(asset.get("type", "")).casefold() == "node"
    ]


def _gpu_hours(asset: Mapping[str, Any]) -> float:
    for name in ("GPUHours", "gpuHours"):
        if isinstance(asset.get(name), int | float):
            return _float(asset[name])
    count, minutes = asset.get("gpuCount"), asset.get("minutes")
    if isinstance(count, int | float) and isinstance(minutes, int | float):
        return _float(count) * _float(minutes) / 60.0
    return 0.0


def _figure(asset: Mapping[str, Any], name: str, node: str) -> float:
    value = asset.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PriceSourceError(wrong(f"openCost: {_plain(node)}: {name}", got=shown(value), wants="a number"))
    return _float(value)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond any float
        return inf if value > 0 else -inf


def _plain(text: str) -> str:
    """A name of a foreign server as a status may hold it."""
    return "".join(char for char in text if char.isprintable())[:63]


# ------------------------------------------------------------------------------------------- what kind of Node it is


def _key(asset: Mapping[str, Any]) -> PriceKey | None:
    given = asset.get("labels")
    labels = {
        str(name).removeprefix("label_"): str(value)
        for name, value in (given.items() if isinstance(given, dict) else ())
    }
    instance_type = str(asset.get("nodeType") or labels.get(_INSTANCE_TYPE) or "")
    gpu = _gpu(labels, instance_type)
    if gpu is None:
        return None
    return PriceKey(
        gpu=gpu,
        capacity_type=_capacity_type(labels, asset),
        zone=_plain(labels.get(_ZONE) or labels.get(_OLD_ZONE) or ""),
        instance_type=_plain(instance_type),
    )


def _gpu(labels: Mapping[str, str], instance_type: str) -> str | None:
    """Ask the labels in the order of the catalog's label table, then the instance type."""
    instance = catalog.instance_type(instance_type) if instance_type else None
    for label in catalog.node_labels().kinds:
        value = labels.get(_metric_name(label.label))
        if not value:
            continue
        if label.values is None:
            product = catalog.product(value.removesuffix("-SHARED").partition("-MIG-")[0])
            return product.gpu if product is not None else None
        keys = label.values.get(value.casefold(), ())
        if len(keys) == 1:
            return keys[0]
        return instance.gpu if instance is not None and instance.gpu in keys else None
    return instance.gpu if instance is not None else None


def _capacity_type(labels: Mapping[str, str], asset: Mapping[str, Any]) -> str:
    for label, values in catalog.node_labels().capacity_types:
        meant = values.get(labels.get(_metric_name(label), "").casefold())
        if meant is not None:
            return meant
    preemptible = asset.get("preemptible")
    return "Spot" if isinstance(preemptible, int | float) and preemptible > 0 else "OnDemand"


def _metric_name(label: str) -> str:
    """A label of Kubernetes as Prometheus has it."""
    return re.sub(r"[^A-Za-z0-9_]", "_", label)
