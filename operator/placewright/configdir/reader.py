"""Reads a config-dir folder into a core Request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from placewright import catalog
from placewright.configdir.faults import Faults
from placewright.configdir.links import link_percentile, pool_links, read_matrix
from placewright.configdir.parameters import Parameters, read_parameters
from placewright.configdir.pools import PoolRow, read_pools, tensor_limits
from placewright.core.model import (
    FixedEfficiency,
    Gates,
    Method,
    Objective,
    ObjectiveType,
    Parallelism,
    Pool,
    Precision,
    Request,
    Runtime,
    SolverOptions,
    Workload,
)

CONFIG = "config.csv"
POOLS = "gpu_pool.csv"
NETWORK = "network_bandwidth.csv"

_PRECISION_BY_BYTES = {1: "int8", 2: "fp16", 4: "fp32"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigDir:
    """What a folder says.

    Attributes:
        request: the planning request; named after the folder, its pools after the GPU types.
        warnings: what the user should know, one line each: unknown parameters, prices taken from the catalog.
    """

    request: Request
    warnings: tuple[str, ...]


def read_config_dir(
    path: Path | str,
    *,
    max_tensor_parallel: Mapping[str, int] | None = None,
    method: Method = Method.EXACT,
    cost_weight: float | None = None,
    overrides: Mapping[str, str] | None = None,
) -> ConfigDir:
    """Read config.csv, gpu_pool.csv and network_bandwidth.csv of a folder.

    Args:
        path: the folder.
        max_tensor_parallel: largest TP by GPU type or pool name (`--max-tp`); 8 for those left out.
        method: how to search. With Weighted the objective is the weighted one, else the cost per token.
        cost_weight: weight of cost against throughput, 0..1; given, the objective is the weighted one with any method.
        overrides: parameters that win over config.csv, as text (`--set name=value`).

    Raises:
        ConfigDirError: with every fault of the three files, one line each.
    """
    folder = Path(path)
    faults = Faults()
    warnings: list[str] = []
    if not folder.is_dir():
        faults.add(str(folder), got="no such folder", wants=f"a folder with {CONFIG}, {POOLS} and {NETWORK}")
        faults.raise_any()
    given = dict(overrides or {})
    if cost_weight is not None:
        given["cost_throughput_weight"] = repr(cost_weight)
    parameters = read_parameters(folder / CONFIG, given, faults=faults, warnings=warnings)
    grid = _read_grid(folder, max_tensor_parallel or {}, faults)
    if parameters is None or grid is None:
        faults.raise_any()
        raise AssertionError("a part of the folder is missing, but no fault was noted")
    weighted = method is Method.WEIGHTED or cost_weight is not None
    request = Request(
        name=folder.resolve().name,
        model_name=parameters.model_name or folder.resolve().name,
        precisions=(Precision(name=_PRECISION_BY_BYTES[parameters.bytes_per_element], drift_percent=0.0),),
        workload=Workload(input_tokens=parameters.sequence_length, output_tokens=0),
        pools=grid.pools,
        parallelism=Parallelism(
            max_pipeline=parameters.max_pipeline_stages,
            min_layers_per_stage=parameters.min_layers_per_stage,
            allow_mixed_pools=True,
            runtime=Runtime.ANY,
        ),
        objective=_objective(parameters, weighted=weighted),
        gates=Gates(
            max_cost_per_million_tokens=parameters.max_cost_per_million_token,
            max_cost_per_hour=parameters.max_hourly_cost,
        ),
        performance=_performance(parameters, grid),
        solver=_solver(parameters, method),
    )
    return ConfigDir(request=request, warnings=(*warnings, *grid.warnings))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """GPUs and the links between them."""

    counts: Mapping[str, int]
    pools: tuple[Pool, ...]
    links: Mapping[tuple[str, str], float]
    warnings: tuple[str, ...]


def _read_grid(folder: Path, limits_given: Mapping[str, int], faults: Faults) -> _Grid | None:
    """Read pools and links; None when anything is wrong with them.

    The matrix is read only when the pools are sound: without them its size cannot be judged.
    """
    before = faults.count
    rows = read_pools(folder / POOLS, faults)
    limits = tensor_limits(rows, limits_given, faults) if faults.count == before else {}
    if faults.count > before:
        return None
    counts = {row.name: row.count for row in rows}
    matrix = read_matrix(folder / NETWORK, sum(counts.values()), faults)
    if matrix is None:
        return None
    links = pool_links(matrix, counts)
    pools = tuple(_pool(row, limits[row.name], links[row.name, row.name]) for row in rows if row.count > 0)
    return _Grid(counts=counts, pools=pools, links=links, warnings=_price_warnings(folder / POOLS, rows))


def _pool(row: PoolRow, most_tensor_parallel: int, own_gbps: float) -> Pool:
    """All GPUs of a type stand in one node: the format knows no nodes, and links are in the matrix."""
    price = row.price_per_gpu_hour
    return Pool(
        name=row.name,
        gpu=replace(catalog.gpu(row.gpu), memory_gib=row.memory_gib),
        nodes=1,
        gpus_per_node=row.count,
        price_per_gpu_hour=price if price is not None else catalog.gpu_defaults(row.gpu).price_per_gpu_hour,
        intra_node_gbps=own_gbps,
        inter_node_gbps=own_gbps,
        max_tensor_parallel=most_tensor_parallel,
    )


def _price_warnings(path: Path, rows: Sequence[PoolRow]) -> tuple[str, ...]:
    """Say whose price is used where the file gives none."""
    warnings: list[str] = []
    for row in rows:
        if row.price_per_gpu_hour is None and row.count > 0:
            known = catalog.gpu_defaults(row.gpu)
            if known.price_per_gpu_hour is None:
                used = "the catalog knows none either, so the type is left out"
            else:
                used = f"${known.price_per_gpu_hour:g}/h from the catalog ({known.price_source}, {known.price_as_of})"
            warnings.append(f"{path} {row.name} dollar_per_hour: no price given; {used}")
    return tuple(warnings)


def _objective(parameters: Parameters, *, weighted: bool) -> Objective:
    default = Objective()
    weight = parameters.cost_throughput_weight
    return Objective(
        type=ObjectiveType.WEIGHTED if weighted else ObjectiveType.COST_PER_TOKEN,
        cost_weight=default.cost_weight if weight is None else weight,
        cost_normalization=parameters.cost_normalization,
        throughput_normalization=parameters.throughput_normalization,
    )


def _solver(parameters: Parameters, method: Method) -> SolverOptions:
    default = SolverOptions()
    limit, gap = parameters.time_limit_seconds, parameters.optimality_gap
    return SolverOptions(
        method=method,
        time_limit_seconds=default.time_limit_seconds if limit is None else limit,
        gap_percent=default.gap_percent if gap is None else gap * 100.0,
        target_cost_per_million_tokens=parameters.max_cost_per_million_token,
    )


def _performance(parameters: Parameters, grid: _Grid) -> FixedEfficiency:
    share = parameters.network_bandwidth_percentile_threshold
    return FixedEfficiency(
        sequence_length=parameters.sequence_length,
        batch_sizes=parameters.batch_sizes,
        hidden_size=parameters.d_model,
        layers=parameters.num_decoder_layers,
        bytes_per_element=parameters.bytes_per_element,
        layer_weight_gib=parameters.layer_weight_memory_gb,
        gpu_rates={pool.name: _rates(pool.gpu.name) for pool in grid.pools},
        link_gbps=grid.links,
        min_memory_utilization=parameters.min_memory_utilization,
        quantized_segments=parameters.enable_segment_quantization,
        min_link_gbps=link_percentile(grid.links, grid.counts, share),
    )


def _rates(gpu: str) -> tuple[float, float, float]:
    rates = catalog.configdir_rates(gpu)
    return rates.tflops, rates.bandwidth_gbps, rates.efficiency
