"""gpu_pool.csv: the GPUs, how many, their memory and price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from placewright import catalog
from placewright.configdir.faults import Faults, shown
from placewright.configdir.tables import Row, columns, read_rows
from placewright.configdir.values import Number, Whole

COUNT = Whole(least=0)
MEMORY = Number(above=0.0)
PRICE = Number(above=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRow:
    """One row of gpu_pool.csv.

    Attributes:
        name: the pool's name, the GPU type as the file writes it; a second row of a type gets -2, and so on.
        gpu: the catalog's key of the type.
        count: GPUs; 0 leaves the pool out.
        memory_gib: memory of one GPU, in GiB.
        price_per_gpu_hour: USD; None: the file gives none.
    """

    name: str
    gpu: str
    count: int
    memory_gib: float
    price_per_gpu_hour: float | None


def read_pools(path: Path, faults: Faults) -> list[PoolRow]:
    """Read gpu_pool.csv in the order of its rows; notes every fault."""
    rows = read_rows(path, faults)
    if rows is None:
        return []
    header, *body = rows
    at = columns(
        path, header, required=("gpu_type", "count", "memory_gb"), optional=("dollar_per_hour",), faults=faults
    )
    if not {"gpu_type", "count", "memory_gb"} <= at.keys():
        return []
    if not body:
        faults.add(str(path), got="no row", wants="at least one GPU type")
    read = [_pool(path, row, at, faults) for row in body]
    pools = _named([pool for pool in read if pool is not None])
    if pools and len(pools) == len(body) and not any(pool.count for pool in pools):
        faults.add(f"{path} count", got="0 GPUs altogether", wants="at least one GPU")
    return pools


def read_pool_counts(path: Path | str) -> dict[str, int]:
    """Return the GPUs of each pool of a gpu_pool.csv, in order, for `network.generate_network`.

    Raises:
        ConfigDirError: with every fault of the file.
    """
    faults = Faults()
    pools = read_pools(Path(path), faults)
    faults.raise_any()
    return {pool.name: pool.count for pool in pools}


def tensor_limits(pools: Sequence[PoolRow], given: Mapping[str, int], faults: Faults) -> dict[str, int]:
    """Return the largest TP of each pool by name; a limit is given by GPU type or pool name, 8 where none is."""
    limits = {pool.name: 8 for pool in pools}
    for name, most in given.items():
        meant = [pool for pool in pools if name.casefold() in {pool.name.casefold(), pool.gpu.casefold()}]
        if not meant:
            wants = f"one of {', '.join(limits)}"
            faults.add(f"--max-tp {name}", got="a type that gpu_pool.csv does not have", wants=wants)
        elif most < 1:
            faults.add(f"--max-tp {name}", got=str(most), wants=Whole().wants)
        for pool in meant:
            limits[pool.name] = most
    return limits


def _pool(path: Path, row: Row, at: Mapping[str, int], faults: Faults) -> PoolRow | None:
    """Read one row; None when it has a fault, which is noted."""
    cells = [*row.cells, *[""] * (max(at.values()) + 1 - len(row.cells))]
    gpu_type = cells[at["gpu_type"]]
    where = f"{path}:{row.line} {gpu_type}".rstrip()
    gpu = _catalog_key(gpu_type)
    if gpu is None:
        wants = f"one of {', '.join(catalog.configdir_keys())}{_nearest(gpu_type)}"
        faults.add(f"{path}:{row.line} gpu_type", got=shown(gpu_type), wants=wants)
    count = _cell(where, "count", cells[at["count"]], COUNT, faults)
    memory = _cell(where, "memory_gb", cells[at["memory_gb"]], MEMORY, faults)
    price_text = cells[at["dollar_per_hour"]] if "dollar_per_hour" in at else ""
    price = _cell(where, "dollar_per_hour", price_text, PRICE, faults) if price_text else None
    if gpu is None or count is None or memory is None or (price_text and price is None):
        return None
    return PoolRow(name=gpu_type, gpu=gpu, count=int(count), memory_gib=memory, price_per_gpu_hour=price)


def _cell(where: str, column: str, text: str, kind: Whole | Number, faults: Faults) -> float | None:
    try:
        return kind.read(text)
    except ValueError:
        faults.add(f"{where} {column}", got=shown(text), wants=kind.wants)
        return None


def _catalog_key(gpu_type: str) -> str | None:
    """The catalog's key of a GPU type that the format has rates for."""
    try:
        catalog.configdir_rates(gpu_type)
    except catalog.UnknownKeyError:
        return None
    return catalog.gpu_defaults(gpu_type).key


def _nearest(gpu_type: str) -> str:
    near = get_close_matches(gpu_type.upper(), catalog.configdir_keys(), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _named(pools: Sequence[PoolRow]) -> list[PoolRow]:
    """Give further rows of one type a name of their own: A100, A100-2, A100-3."""
    seen: dict[str, int] = {}
    named: list[PoolRow] = []
    for pool in pools:
        number = seen[pool.gpu] = seen.get(pool.gpu, 0) + 1
        name = pool.name if number == 1 else f"{pool.name}-{number}"
        named.append(
            PoolRow(
                name=name,
                gpu=pool.gpu,
                count=pool.count,
                memory_gib=pool.memory_gib,
                price_per_gpu_hour=pool.price_per_gpu_hour,
            )
        )
    return named
