"""From the fields of a table or the labels of a series to a price, whatever they are called there."""

from collections.abc import Mapping
from typing import Final

from placewright.api.hardware import PRICE_MAX
from placewright.api.live_prices import read_time
from placewright.api.parse import shown
from placewright.api.price_rows import PriceKey, PriceRow
from placewright.api.prices import gpu_key
from placewright.telemetry.prices.errors import wants_one_of, wrong

GPU: Final = "gpu"
PRICE: Final = "pricePerGPUHour"
CAPACITY_TYPE: Final = "capacityType"
ZONE: Final = "zone"
INSTANCE_TYPE: Final = "instanceType"
AS_OF: Final = "asOf"

COLUMNS: Final = (GPU, CAPACITY_TYPE, ZONE, INSTANCE_TYPE, PRICE, AS_OF)
REQUIRED: Final = (GPU, PRICE)

_CAPACITY_TYPES: Final = ("OnDemand", "Spot", "Reserved")
_MAX_TEXT: Final = 63
_PRICE_WANTS: Final = "USD per GPU and hour as a number, such as 2.49"


def column_of(name: str) -> str | None:
    """The column that a name means, without regard to case, spaces, hyphens and underscores; None: no such column."""
    return _BY_PLAIN_NAME.get(_plain(name))


def capacity_type_of(text: str) -> str | None:
    """OnDemand, Spot or Reserved as people and clouds write them; None: none of them."""
    return _BY_PLAIN_TYPE.get(_plain(text))


def row_of(fields: Mapping[str, str], price: float | None, place: str) -> PriceRow | list[str]:
    """Make a row, or say all that is wrong with it.

    Args:
        fields: text by column; what is empty or missing says nothing.
        price: when it is no text of the fields; None: it stands in the fields.
        place: file and line, for the faults.
    """
    faults = [
        wrong(f"{place}: {column}", got=shown(fields[column]), wants=f"at most {_MAX_TEXT} characters")
        for column in (GPU, ZONE, INSTANCE_TYPE)
        if len(fields.get(column, "")) > _MAX_TEXT
    ]
    if not fields.get(GPU, ""):
        faults.append(wrong(f"{place}: {GPU}", got="nothing", wants="a key of the GPU catalog, such as L40S"))
    bought = fields.get(CAPACITY_TYPE, "")
    capacity_type = capacity_type_of(bought) if bought else ""
    if capacity_type is None:
        faults.append(wrong(f"{place}: {CAPACITY_TYPE}", got=shown(bought), wants=wants_one_of(_CAPACITY_TYPES)))
    when = fields.get(AS_OF, "")
    as_of = read_time(when) if when else None
    if when and as_of is None:
        faults.append(wrong(f"{place}: {AS_OF}", got=shown(when), wants="a time such as 2026-11-21T10:00:00Z"))
    found = price if price is not None else _number(fields.get(PRICE, ""), place, faults)
    if found is not None and found > PRICE_MAX and found != float("inf"):
        faults.append(wrong(f"{place}: {PRICE}", got=f"{found:g}", wants=f"at most {PRICE_MAX}"))
    if faults or found is None or capacity_type is None:
        return faults
    key = PriceKey(
        gpu=gpu_key(fields[GPU]),
        capacity_type=capacity_type,
        zone=fields.get(ZONE, ""),
        instance_type=fields.get(INSTANCE_TYPE, ""),
    )
    return PriceRow(key=key, per_gpu_hour=found, as_of=as_of)


def _number(text: str, place: str, faults: list[str]) -> float | None:
    """Read a number; one that is no price (0, -1, NaN, inf) is for others to judge."""
    if text.isascii() and "_" not in text:  # Python would read 1_0 as ten, and digits of any script
        try:
            return float(text)
        except ValueError:
            pass
    faults.append(wrong(f"{place}: {PRICE}", got=shown(text) if text else "nothing", wants=_PRICE_WANTS))
    return None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter not in " -_\t")


_BY_PLAIN_NAME: Final = {_plain(column): column for column in COLUMNS}
_BY_PLAIN_TYPE: Final = {_plain(name): name for name in _CAPACITY_TYPES}
