"""config.csv: the parameters of the model, the workload and the search."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import isclose
from pathlib import Path
from typing import Any

from placewright.configdir.faults import Faults, shown
from placewright.configdir.tables import columns, read_rows
from placewright.configdir.values import Flag, Number, OneOf, Text, Value, Whole

NO_LIMIT = 999.0
"""What the format writes where there is no budget or no price to beat."""

KNOWN: Mapping[str, Value] = {
    "sequence_length": Whole(),
    "batch_size": Whole(),
    "min_batch_size": Whole(),
    "max_batch_size": Whole(),
    "model_name": Text(),
    "num_decoder_layers": Whole(),
    "d_model": Whole(),
    "d_hidden": Whole(),
    "vocab_size": Whole(),
    "num_attention_heads": Whole(),
    "layer_weight_memory_gb": Number(above=0.0),
    "time_limit_seconds": Number(above=0.0),
    "optimality_gap": Number(least=0.0, most=1.0),
    "bytes_per_element": OneOf((1, 2, 4)),
    "enable_segment_quantization": Flag(),
    "max_pipeline_stages": Whole(),
    "min_layers_per_stage": Whole(),
    "min_memory_utilization": Number(least=0.0, most=1.0),
    "network_bandwidth_percentile_threshold": Number(least=0.0, most=1.0),
    "cost_throughput_weight": Number(least=0.0, most=1.0),
    "max_hourly_cost": Number(above=0.0),
    "max_cost_per_token": Number(above=0.0),
    "max_cost_per_million_token": Number(above=0.0),
    "throughput_normalization": Number(above=0.0),
    "cost_normalization": Number(above=0.0),
}
"""Every parameter of the format and what may stand there."""

REQUIRED = ("sequence_length", "num_decoder_layers", "d_model", "layer_weight_memory_gb")
RANGE = ("min_batch_size", "max_batch_size")

# Two ways to say one thing: an override of one side replaces what the file says on the other.
_EITHER = (
    (("batch_size",), RANGE),
    (("max_cost_per_token",), ("max_cost_per_million_token",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The parameters of config.csv; None: not given."""

    sequence_length: int
    batch_sizes: tuple[int, ...]
    num_decoder_layers: int
    d_model: int
    layer_weight_memory_gb: float
    model_name: str | None = None
    time_limit_seconds: float | None = None
    optimality_gap: float | None = None
    bytes_per_element: int = 2
    enable_segment_quantization: bool = False
    max_pipeline_stages: int = 8
    min_layers_per_stage: int = 1
    min_memory_utilization: float = 0.0
    network_bandwidth_percentile_threshold: float = 0.0
    cost_throughput_weight: float | None = None
    max_hourly_cost: float | None = None
    max_cost_per_million_token: float | None = None
    throughput_normalization: float | None = None
    cost_normalization: float | None = None


@dataclass(frozen=True, slots=True)
class _Cell:
    """Where a value was given, and its text."""

    where: str
    text: str


def read_parameters(
    path: Path, overrides: Mapping[str, str], *, faults: Faults, warnings: list[str]
) -> Parameters | None:
    """Read config.csv; overrides win over the file. Notes faults and warnings; None when there are faults."""
    before = faults.count
    given = _given(path, overrides, faults=faults, warnings=warnings)
    if given is None:
        return None
    values: dict[str, Any] = {}
    for name, cell in given.items():
        kind = KNOWN[name]
        try:
            values[name] = kind.read(cell.text)
        except ValueError:
            faults.add(cell.where, got=shown(cell.text), wants=kind.wants)
    for name in REQUIRED:
        if name not in given:
            faults.add(f"{path} {name}", got="nothing", wants=KNOWN[name].wants)
    batches = _batch_sizes(path, given, values, faults)
    price = _price_to_beat(path, values, faults)
    if faults.count > before:
        return None
    fields = Parameters.__dataclass_fields__
    values = {name: value for name, value in values.items() if name in fields}
    values["max_hourly_cost"] = _limit(values.get("max_hourly_cost"))
    values["max_cost_per_million_token"] = price
    return Parameters(batch_sizes=batches, **values)


def _given(path: Path, overrides: Mapping[str, str], *, faults: Faults, warnings: list[str]) -> dict[str, _Cell] | None:
    """Return what is given for each known parameter; unknown ones of the file warn, unknown overrides are faults."""
    rows = read_rows(path, faults)
    if rows is None:
        return None
    at = columns(path, rows[0], required=("parameter", "value"), optional=(), faults=faults)
    if len(at) < 2:
        return None
    given: dict[str, _Cell] = {}
    for row in rows[1:]:
        cells = [*row.cells, *[""] * len(rows[0].cells)]
        name, text = cells[at["parameter"]], cells[at["value"]]
        where = f"{path}:{row.line} {name}"
        if len(row.cells) > len(rows[0].cells) and any(row.cells[len(rows[0].cells) :]):
            faults.add(where, got=f"{len(row.cells)} cells", wants="a parameter and its value, quoted if it has commas")
        elif name not in KNOWN:
            warnings.append(f"{where}: unknown parameter, it has no effect{_nearest(name)}")
        elif name in given:
            faults.add(where, got="a second value", wants="each parameter once")
        else:
            given[name] = _Cell(where, text)
    return _overridden(given, overrides, faults)


def _overridden(given: dict[str, _Cell], overrides: Mapping[str, str], faults: Faults) -> dict[str, _Cell]:
    for name, text in overrides.items():
        if name not in KNOWN:
            faults.add(f"--set {name}", got="an unknown parameter", wants=f"a parameter of config.csv{_nearest(name)}")
            continue
        for one, other in (*_EITHER, *((right, left) for left, right in _EITHER)):
            if name in one:
                for replaced in other:
                    if replaced not in overrides:
                        given.pop(replaced, None)
        given[name] = _Cell(f"--set {name}", text.strip())
    return given


def _nearest(name: str) -> str:
    near = get_close_matches(name.casefold(), KNOWN, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _batch_sizes(path: Path, given: Mapping[str, object], values: Mapping[str, Any], faults: Faults) -> tuple[int, ...]:
    """Return the batch sizes to choose from; empty when they are not rightly given."""
    ends = [name for name in RANGE if name in given]
    if "batch_size" in given:
        if ends:
            wants = "either batch_size or min_batch_size and max_batch_size"
            faults.add(f"{path} batch_size", got=f"also {' and '.join(ends)}", wants=wants)
        return (values["batch_size"],) if "batch_size" in values else ()
    if not ends:
        faults.add(
            f"{path} batch_size",
            got="nothing",
            wants=f"{KNOWN['batch_size'].wants}, or min_batch_size and max_batch_size",
        )
        return ()
    for name in RANGE:
        if name not in ends:
            faults.add(f"{path} {name}", got="nothing", wants=f"{KNOWN[name].wants}, as {ends[0]} is given")
    if any(name not in values for name in RANGE):
        return ()
    least, most = values["min_batch_size"], values["max_batch_size"]
    if least > most:
        faults.add(f"{path} min_batch_size", got=str(least), wants=f"at most max_batch_size, {most}")
        return ()
    return batch_sizes_between(least, most)


def batch_sizes_between(least: int, most: int) -> tuple[int, ...]:
    """Return the batch sizes of a range: its two ends and every power of two between them."""
    powers: Iterable[int] = (1 << bit for bit in range(least.bit_length(), most.bit_length()))
    return tuple(sorted({least, *(power for power in powers if least < power < most), most}))


def _price_to_beat(path: Path, values: Mapping[str, Any], faults: Faults) -> float | None:
    """Return the price gate in USD per million tokens; the two ways to give it must agree."""
    per_token = _limit(values.get("max_cost_per_token"))
    per_million: float | None = values.get("max_cost_per_million_token")
    if per_token is None:
        return per_million
    # 2.5e-8 * 1e6 is not quite 0.025; what the user meant has few digits.
    price = float(f"{per_token * 1e6:.12g}")
    if per_million is not None and not isclose(per_million, price, rel_tol=1e-9):
        wants = f"the same price as max_cost_per_token, {price:g}, or only one of the two"
        faults.add(f"{path} max_cost_per_million_token", got=f"{per_million:g}", wants=wants)
    return price


def _limit(value: float | None) -> float | None:
    return None if value == NO_LIMIT else value
