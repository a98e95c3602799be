"""Tables of prices in files."""

from pathlib import Path

from placewright.api.price_rows import PriceRow
from placewright.api.price_sources import PriceFile
from placewright.telemetry.prices.errors import PriceSourceError, wrong
from placewright.telemetry.prices.tables import MAX_BYTES, form_of, read_table


def read_file(source: PriceFile, folder: Path, *, confined: bool) -> tuple[PriceRow, ...]:
    """Read a table from a file.

    Args:
        source: which file.
        folder: where a relative path begins.
        confined: whether the file must stand below the folder. In the operator it must: a policy could otherwise have
            any file of the pod read, and see in a fault what stands in it.

    Raises:
        PriceSourceError: it cannot be read, or is no table.
    """
    path = folder / source.path
    if confined:
        _want_below(path, folder, source.path)
    return read_table(read_bytes(path), str(path), form_of(source.path, source.format))


def read_bytes(path: Path) -> bytes:
    """Read a file as far as a table may be long.

    Raises:
        PriceSourceError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise PriceSourceError(wrong(str(path), got="no such file", wants="a CSV or JSON table of prices")) from None
    except (OSError, ValueError) as error:
        got = (getattr(error, "strerror", None) or type(error).__name__).lower()
        raise PriceSourceError(wrong(str(path), got=got, wants="a file that can be read")) from None


def _want_below(path: Path, folder: Path, given: str) -> None:
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a loop of links, a NUL in the path
        inside = False
    if not inside:
        raise PriceSourceError(wrong("file.path", got=given, wants=f"a path below {folder} (--price-dir)"))
