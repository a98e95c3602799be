"""Writes a network_bandwidth.csv from rates inside and between pools."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path

import numpy as np

from placewright.configdir.faults import Faults
from placewright.core.errors import InvalidRequestError
from placewright.core.performance.base import FloatArray


def generate_network(
    pool_counts: Mapping[str, int],
    *,
    within: Mapping[str, float],
    between: Mapping[tuple[str, str], float],
    default_within: float | None = None,
    default_between: float | None = None,
) -> FloatArray:
    """Return the square matrix over all GPUs in GB/s, pools in the given order, row = from, column = to.

    Args:
        pool_counts: GPUs of each pool, as `read_pool_counts` returns them.
        within: rate between two GPUs of a pool; also the diagonal.
        between: rate from one pool to another; a pair given in one direction holds for both.
        default_within: for pools that `within` does not name.
        default_between: for pairs that `between` does not name.

    Raises:
        ConfigDirError: for pools that do not exist, rates below 0, and rates that are not given, all at once.
    """
    faults = Faults()
    for name, count in pool_counts.items():
        if count < 0:
            faults.add(f"pool {name}", got=f"{count} GPUs", wants="a whole number of at least 0")
    for named in (*within, *(name for pair in between for name in pair)):
        if named not in pool_counts:
            faults.add(f"pool {named}", got="an unknown name", wants=f"one of {', '.join(pool_counts)}")
    names = [name for name, count in pool_counts.items() if count > 0]
    rates = np.zeros((len(names), len(names)))
    for row, source in enumerate(names):
        for column, target in enumerate(names):
            if row == column:
                rate, where = within.get(source, default_within), f"rate within {source}"
            else:
                rate = between.get((source, target), between.get((target, source), default_between))
                where = f"rate from {source} to {target}"
            rates[row, column] = _checked(rate, where, faults)
    faults.raise_any()
    spread = np.repeat(np.arange(len(names)), [pool_counts[name] for name in names])
    matrix: FloatArray = rates[np.ix_(spread, spread)]
    return matrix


def gpu_labels(pool_counts: Mapping[str, int]) -> list[str]:
    """Return a label for every GPU, `A100_0`, `A100_1` and so on, in the order of the matrix."""
    return [f"{name}_{number}" for name, count in pool_counts.items() for number in range(count)]


def network_csv(matrix: FloatArray, labels: Sequence[str] | None = None) -> Iterator[str]:
    """Yield the lines of a network_bandwidth.csv with their line ends; labels default to gpu_0, gpu_1 and so on.

    Every rate is written so that it reads back as the same number.
    """
    size = matrix.shape[0]
    if matrix.shape != (size, size):
        raise InvalidRequestError("network matrix", got=f"{matrix.shape}", wants="as many rows as columns")
    names = list(labels) if labels is not None else [f"gpu_{number}" for number in range(size)]
    yield "," + ",".join(names) + "\n"
    for name, row in zip(names, matrix.tolist(), strict=True):
        yield name + "," + ",".join(_text(rate) for rate in row) + "\n"


def write_network(path: Path | str, matrix: FloatArray, labels: Sequence[str] | None = None) -> None:
    """Write a network_bandwidth.csv. Raises OSError when the file cannot be written."""
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        file.writelines(network_csv(matrix, labels))


def _checked(rate: float | None, where: str, faults: Faults) -> float:
    if rate is None:
        faults.add(where, got="nothing", wants="a number of GB/s, or a default")
        return 0.0
    if not isfinite(rate) or rate < 0:
        faults.add(where, got=f"{rate:g}", wants="a finite number of at least 0 GB/s")
        return 0.0
    return rate


def _text(rate: float) -> str:
    return str(int(rate)) if rate.is_integer() and rate < 2**53 else repr(rate)
