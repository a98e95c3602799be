"""Tables of prices: CSV with a header, or a JSON list of objects, of the same columns."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from placewright.api.parse import shown
from placewright.api.price_rows import PriceKey, PriceRow
from placewright.api.price_sources import MAX_PRICE_STATES
from placewright.telemetry.prices.errors import PriceSourceError, wants_one_of, wrong
from placewright.telemetry.prices.rows import COLUMNS, GPU, PRICE, REQUIRED, column_of, row_of

MAX_BYTES: Final = 4 * 1024 * 1024

Form = Literal["CSV", "JSON"]
_FORMS: Final[dict[str, Form]] = {".csv": "CSV", ".json": "JSON"}
_WANTS_LIST: Final = 'a list of objects such as [{"gpu": "L40S", "pricePerGPUHour": 1.2}]'


def form_of(name: str, given: Form | None) -> Form:
    """Which form a table has, by what is given or by the end of its name.

    Raises:
        PriceSourceError: neither says it.
    """
    if given is not None:
        return given
    for suffix, form in _FORMS.items():
        if name.casefold().endswith(suffix):
            return form
    wants = "format CSV or JSON, or a name that ends with .csv or .json"
    raise PriceSourceError(wrong(f"the table {shown(name)}", got="no format", wants=wants))


def read_table(data: bytes, name: str, form: Form) -> tuple[PriceRow, ...]:
    """Read a table.

    Args:
        data: its bytes.
        name: what faults call it.
        form: CSV or JSON.

    Raises:
        PriceSourceError: with one line for each fault; a table with any fault gives no prices at all, since nobody
            knows what the rest of it is worth.
    """
    if len(data) > MAX_BYTES:
        raise PriceSourceError(wrong(name, got=f"{len(data):,} bytes", wants=f"at most {MAX_BYTES:,}"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PriceSourceError(wrong(name, got=f"byte {error.start} that is not UTF-8", wants="UTF-8 text")) from None
    faults: list[str] = []
    rows: list[PriceRow] = []
    first: dict[PriceKey, int] = {}
    for line, row in _csv_rows(text, name) if form == "CSV" else _json_rows(text, name):
        if isinstance(row, list):
            faults += row
        elif row.key in first:
            got = f"{row.key} again, which line {first[row.key]} has"
            faults.append(wrong(f"{name}:{line}", got=got, wants="each of them once"))
        else:
            first[row.key] = line
            rows.append(row)
    if not rows and not faults:
        faults.append(wrong(name, got="no price", wants="one at least"))
    if len(rows) > MAX_PRICE_STATES:
        faults.append(wrong(name, got=f"{len(rows):,} prices", wants=f"at most {MAX_PRICE_STATES:,}"))
    if faults:
        raise PriceSourceError(*faults)
    return tuple(rows)


# ------------------------------------------------------------------------------------------------------------ CSV


def _csv_rows(text: str, name: str) -> Iterator[tuple[int, PriceRow | list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: list[str] = []
    try:
        for cells in reader:
            place = f"{name}:{reader.line_num}"
            given = [cell.strip() for cell in cells]
            if not any(given) or given[0].startswith("#"):
                continue
            if not columns:
                columns = _header(given, place)
            elif len(given) != len(columns):
                yield reader.line_num, [wrong(place, got=f"{len(given)} cells", wants=f"{len(columns)}, as the header")]
            else:
                yield reader.line_num, row_of(dict(zip(columns, given, strict=True)), None, place)
    except csv.Error as error:
        raise PriceSourceError(wrong(f"{name}:{reader.line_num}", got=str(error), wants="CSV")) from None
    if not columns:
        raise PriceSourceError(wrong(name, got="nothing", wants=f"a header line: {','.join(COLUMNS)}"))


def _header(given: Sequence[str], place: str) -> list[str]:
    columns = [column_of(name) for name in given]
    if not any(columns):  # another file perhaps, of which nothing is to be shown
        wants = f"{','.join(REQUIRED)} and what narrows it, between commas: {','.join(COLUMNS)}"
        raise PriceSourceError(wrong(place, got="a line without any name of a column", wants=wants))
    faults = [
        wrong(f"{place}: column {at}", got=shown(name), wants=wants_one_of(COLUMNS))
        for at, (name, column) in enumerate(zip(given, columns, strict=True), start=1)
        if column is None
    ]
    found = [column for column in columns if column is not None]
    faults += [
        wrong(f"{place}: column {column}", got="it twice", wants="it once")
        for column in COLUMNS
        if found.count(column) > 1
    ]
    faults += [
        wrong(f"{place}: column {column}", got="nothing", wants="it")
        for column in REQUIRED
        if column not in found and not faults
    ]
    if faults:
        raise PriceSourceError(*faults)
    return found


# ----------------------------------------------------------------------------------------------------------- JSON


def _json_rows(text: str, name: str) -> Iterator[tuple[int, PriceRow | list[str]]]:
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{name}:{error.lineno}: column {error.colno}"
        raise PriceSourceError(wrong(place, got=error.msg[:1].lower() + error.msg[1:], wants="JSON")) from None
    except (ValueError, RecursionError):  # a number of thousands of digits; lists in lists in lists
        raise PriceSourceError(wrong(name, got="a value too long or too deep", wants=_WANTS_LIST)) from None
    if isinstance(whole, dict) and list(whole) == ["prices"]:
        whole = whole["prices"]
    if not isinstance(whole, list):
        raise PriceSourceError(wrong(name, got=_kind(whole), wants=_WANTS_LIST))
    for line, value in _with_lines(text):
        place = f"{name}:{line}"
        if isinstance(value, dict):
            yield line, _json_row(value, place)
        else:
            yield line, [wrong(place, got=_kind(value), wants="an object")]


def _with_lines(text: str) -> Iterator[tuple[int, Any]]:
    """The entries of the only list of a valid text, each with the line that it begins in."""
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs)
    at = text.index("[") + 1
    seen, line = 0, 1
    while True:
        while text[at] in " \t\r\n,":
            at += 1
        if text[at] == "]":
            return
        line += text.count("\n", seen, at)
        seen = at
        value, at = decoder.raw_decode(text, at)
        yield line, value


class _Pairs(dict[str, Any]):
    """An object that remembers the names that stand in it twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.twice = sorted({name for name in names if names.count(name) > 1})


def _json_row(value: dict[str, Any], place: str) -> PriceRow | list[str]:
    fields: dict[str, str] = {}
    price: float | None = None
    faults = [wrong(f"{place}: {name}", got="it twice", wants="it once") for name in getattr(value, "twice", ())]
    for name, item in value.items():
        column = column_of(name)
        if column is None:
            faults.append(wrong(f"{place}: {shown(name)}", got="an unknown field", wants=wants_one_of(COLUMNS)))
        elif item is None:
            continue
        elif column == PRICE:
            if isinstance(item, bool) or not isinstance(item, int | float):
                faults.append(wrong(f"{place}: {PRICE}", got=shown(item), wants="a number, such as 2.49"))
                fields[PRICE] = "0"  # told; the other fields are looked at all the same
            else:
                price = _float(item)
        elif isinstance(item, str):
            fields[column] = item.strip()
        else:
            faults.append(wrong(f"{place}: {column}", got=shown(item), wants="text (quote it)"))
            if column == GPU:
                fields[GPU] = "?"  # told; not to be missed besides
    row = row_of(fields, price, place)
    if isinstance(row, list):
        return faults + row
    return faults or row


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond any float
        return float("inf") if value > 0 else float("-inf")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
