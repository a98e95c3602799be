"""network_bandwidth.csv: a square matrix over single GPUs, reduced to rates between pools."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from placewright.configdir.faults import Faults, shown
from placewright.configdir.tables import read_text
from placewright.core.performance.base import FloatArray

_SHOWN_FAULTS = 5  # of one matrix; a wrong file has them by the thousand


def read_matrix(path: Path, gpus: int, faults: Faults) -> FloatArray | None:
    """Read the matrix in GB/s, row = from, column = to; notes faults and returns None when there are any.

    The header and the first column are labels. The diagonal may hold anything that is a number; elsewhere a rate is
    finite and at least 0, where 0 means no link.
    """
    text = read_text(path, faults)
    if text is None:
        return None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip(", \t")]
    if len(lines) < 2:
        faults.add(str(path), got="no rows", wants="a header line and one row per GPU, each with a label first")
        return None
    header, body = lines[0][1], lines[1:]
    width = header.count(",")
    if len(body) != width:
        faults.add(
            str(path), got=f"{len(body)} rows and {width} columns", wants="a square matrix behind a label column"
        )
        return None
    if width != gpus:
        got = f"a matrix of {width} x {width}"
        faults.add(str(path), got=got, wants=f"{gpus} x {gpus}, one row for each GPU of gpu_pool.csv")
        return None
    matrix = _parse(path, body, width, faults)
    return None if matrix is None else _checked(path, matrix, [number for number, _ in body], faults)


def _parse(path: Path, body: Sequence[tuple[int, str]], width: int, faults: Faults) -> FloatArray | None:
    """Parse all cells at once in C; only a matrix with a fault is looked at cell by cell."""
    cells = [line.partition(",")[2] for _, line in body]
    try:
        matrix: FloatArray = np.loadtxt(cells, delimiter=",", comments=None, ndmin=2, dtype=np.float64)
    except ValueError:
        return _parse_slowly(path, body, width, faults)
    return matrix if matrix.shape == (width, width) else _parse_slowly(path, body, width, faults)


def _parse_slowly(path: Path, body: Sequence[tuple[int, str]], width: int, faults: Faults) -> FloatArray | None:
    """Parse cell by cell, also quoted ones, and name the first faults."""
    matrix = np.zeros((width, width))
    found: list[tuple[str, str, str]] = []
    for row, (number, line) in enumerate(body):
        cells = next(csv.reader([line]))[1:]
        if len(cells) != width:
            found.append((f"{path}:{number}", f"{len(cells)} rates", f"{width} rates behind a label"))
            continue
        for column, cell in enumerate(cells):
            try:
                matrix[row, column] = float(cell)
            except ValueError:
                where = f"{path}:{number} column {column + 1}"
                found.append((where, shown(cell.strip()), "a number of GB/s"))
    _note(path, found, faults)
    return None if found else matrix


def _checked(path: Path, matrix: FloatArray, numbers: Sequence[int], faults: Faults) -> FloatArray | None:
    """Refuse rates that are no rates."""
    wrong = ~np.isfinite(matrix) | (matrix < 0)
    np.fill_diagonal(wrong, val=False)
    found = [
        (f"{path}:{numbers[row]} column {column + 1}", f"{matrix[row, column]:g}", "a finite number of at least 0")
        for row, column in np.argwhere(wrong)
    ]
    _note(path, found, faults)
    return None if found else matrix


def _note(path: Path, found: Sequence[tuple[str, str, str]], faults: Faults) -> None:
    for where, got, wants in found[:_SHOWN_FAULTS]:
        faults.add(where, got=got, wants=wants)
    if len(found) > _SHOWN_FAULTS:
        faults.add(str(path), got=f"{len(found) - _SHOWN_FAULTS} more such faults", wants="none")


def pool_links(matrix: FloatArray, counts: Mapping[str, int]) -> dict[tuple[str, str], float]:
    """Return the rate from pool to pool in GB/s, the least over their pairs of different GPUs.

    `counts` has the pools in the order of the matrix. A pool of one GPU has no pair in itself; its own rate is the
    diagonal cell where that is a usable number.
    """
    names = [name for name, count in counts.items() if count > 0]
    starts = np.cumsum([0, *(counts[name] for name in names)])[:-1]
    pairs = matrix.copy()
    np.fill_diagonal(pairs, np.inf)
    rates = np.minimum.reduceat(np.minimum.reduceat(pairs, starts, axis=0), starts, axis=1)
    links: dict[tuple[str, str], float] = {}
    for row, source in enumerate(names):
        for column, target in enumerate(names):
            rate = float(rates[row, column])
            if row == column and counts[source] == 1:
                own = float(matrix[starts[row], starts[row]])
                rate = own if np.isfinite(own) and own > 0 else 0.0
            links[source, target] = rate
    return links


def link_percentile(links: Mapping[tuple[str, str], float], counts: Mapping[str, int], share: float) -> float:
    """Return the rate below which a link is too slow, in GB/s: the percentile `share` (0..1) of all candidate links.

    Every ordered pair of different GPUs is a candidate link with the rate of its pools; percentiles between two
    candidates are interpolated, as `numpy.percentile` does. 0 drops no link, and the fastest links always stay.
    """
    weights = {(source, target): counts[source] * (counts[target] - (source == target)) for source, target in links}
    ordered = sorted((rate, weights[pair]) for pair, rate in links.items() if weights[pair] > 0)
    if share <= 0 or not ordered:
        return 0.0
    last_of = np.cumsum([weight for _, weight in ordered]) - 1
    rank = share * float(last_of[-1])
    low = ordered[int(np.searchsorted(last_of, np.floor(rank)))][0]
    high = ordered[int(np.searchsorted(last_of, np.ceil(rank)))][0]
    return low + (high - low) * (rank - float(np.floor(rank)))
