"""Reads measured rows of served models for `core.performance.fit`, a CSV file as the project's `../shared/data` has it.

Columns: model, system, backend, precision (empty: the checkpoint's own), isl, osl, batch, tp, pp, attn_dp, ttft_ms,
tpot_ms; further ones are not read. Model and system are looked up in the catalog.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from placewright.catalog.gpus import gpu
from placewright.catalog.keys import UnknownKeyError
from placewright.catalog.models import model, model_info
from placewright.core.errors import InvalidRequestError
from placewright.core.performance.fit import SiliconRow
from placewright.core.performance.precision import PRECISIONS, unsupported_reason

COLUMNS = (
    "model",
    "system",
    "backend",
    "precision",
    "isl",
    "osl",
    "batch",
    "tp",
    "pp",
    "attn_dp",
    "ttft_ms",
    "tpot_ms",
)


def read_silicon(path: Path) -> list[SiliconRow]:
    """Read all rows of a file.

    Raises:
        InvalidRequestError: naming file, line and column of the first cell that cannot be read, or that the fit has no
            use for (a pipeline, attention data parallelism), or that the file is missing or empty.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InvalidRequestError(f"{path}: line 1", got=f"no column {missing[0]}", wants=", ".join(COLUMNS))
            rows = [_row(_Cells(path, reader.line_num, cells)) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequestError(str(path), got=str(error), wants="a readable CSV file") from error
    if not rows:
        raise InvalidRequestError(str(path), got="no rows", wants="measured rows below the header")
    return rows


class _Cells:
    """One line of the file; every complaint names it."""

    def __init__(self, path: Path, line: int, cells: Mapping[str, str | None]) -> None:
        self._place = f"{path}: line {line}"
        self._cells = cells

    def text(self, column: str) -> str:
        return (self._cells.get(column) or "").strip()

    def error(self, column: str, wants: str) -> InvalidRequestError:
        return InvalidRequestError(f"{self._place}: {column}", got=repr(self.text(column)), wants=wants)

    def count(self, column: str) -> int:
        value = self.text(column)
        if not (value.isascii() and value.isdigit()) or int(value) < 1:
            raise self.error(column, "a whole number of at least 1")
        return int(value)

    def one(self, column: str) -> None:
        if self.count(column) != 1:
            raise self.error(column, "1: the fit is for one tensor-parallel group")

    def milliseconds(self, column: str) -> float:
        try:
            value = float(self.text(column))
        except ValueError:
            value = 0.0
        if not 0.0 < value < float("inf"):
            raise self.error(column, "milliseconds above 0")
        return value / 1e3


def _row(cells: _Cells) -> SiliconRow:
    try:
        architecture, name = model(cells.text("model")), model_info(cells.text("model")).key
    except UnknownKeyError as error:
        raise cells.error("model", f"a model of the catalog ({error})") from error
    try:
        accelerator = gpu(cells.text("system"))
    except UnknownKeyError as error:
        raise cells.error("system", f"a GPU of the catalog ({error})") from error
    precision = cells.text("precision") or architecture.native_precision
    if precision not in PRECISIONS:
        raise cells.error("precision", f"empty or one of {', '.join(PRECISIONS)}")
    reason = unsupported_reason(accelerator, precision)
    if reason:
        raise cells.error("precision", f"one that {accelerator.name} runs: {reason}")
    if not cells.text("backend"):
        raise cells.error("backend", "the serving engine, such as vllm")
    cells.one("pp")
    cells.one("attn_dp")
    return SiliconRow(
        model=name,
        architecture=architecture,
        gpu=accelerator,
        backend=cells.text("backend"),
        precision=precision,
        input_tokens=cells.count("isl"),
        output_tokens=cells.count("osl"),
        concurrency=cells.count("batch"),
        tensor_parallel=cells.count("tp"),
        ttft_seconds=cells.milliseconds("ttft_ms"),
        tpot_seconds=cells.milliseconds("tpot_ms"),
    )
