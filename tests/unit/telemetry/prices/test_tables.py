from collections.abc import Callable
from datetime import UTC, datetime
from math import inf, isnan
from pathlib import Path

import pytest

from placewright.api.price_rows import PriceKey, PriceRow
from placewright.api.price_sources import PriceFile
from placewright.telemetry.prices.errors import PriceSourceError
from placewright.telemetry.prices.files import read_file
from placewright.telemetry.prices.tables import MAX_BYTES, form_of, read_table

COLUMNS = "gpu, capacityType, zone, instanceType, pricePerGPUHour, asOf"
HEADER = "gpu,capacityType,zone,instanceType,pricePerGPUHour,asOf\n"


def csv(text: str) -> tuple[PriceRow, ...]:
    return read_table(text.encode(), "p.csv", "CSV")


def json(text: str) -> tuple[PriceRow, ...]:
    return read_table(text.encode(), "p.json", "JSON")


def faults(read: Callable[[str], object], text: str) -> tuple[str, ...]:
    with pytest.raises(PriceSourceError) as caught:
        read(text)
    return caught.value.lines


def test_a_csv_table_with_all_columns() -> None:
    rows = csv(
        HEADER
        + "L40S,Spot,eu-west-1a,g6e.48xlarge,0.95,2026-11-20T08:00:00Z\n"
        + "H100,,,,2.10,2026-11-20\n"
        + "Own-1,on-demand,,, 3 ,\n"
    )
    assert rows == (
        PriceRow(
            key=PriceKey(gpu="L40S", capacity_type="Spot", zone="eu-west-1a", instance_type="g6e.48xlarge"),
            per_gpu_hour=0.95,
            as_of=datetime(2026, 11, 20, 8, tzinfo=UTC),
        ),
        PriceRow(key=PriceKey(gpu="H100"), per_gpu_hour=2.1, as_of=datetime(2026, 11, 20, tzinfo=UTC)),
        PriceRow(key=PriceKey(gpu="Own-1", capacity_type="OnDemand"), per_gpu_hour=3.0),
    )


def test_columns_come_in_any_order_and_spelling_with_comments_and_blank_lines() -> None:
    rows = csv("\ufeff# of finance\n\nPrice-per-GPU-hour, GPU ,capacity_type\n\n# spot\n0.5,NVIDIA-L40S,SPOT\n")
    assert rows == (PriceRow(key=PriceKey(gpu="L40S", capacity_type="Spot"), per_gpu_hour=0.5),)


def test_prices_that_are_none_are_read_as_they_stand_for_others_to_judge() -> None:
    rows = csv("gpu,pricePerGPUHour\nL40S,0\nH100,-2\nA100,nan\nT4,inf\n")
    assert [row.per_gpu_hour for row in rows[:2]] == [0.0, -2.0]
    assert isnan(rows[2].per_gpu_hour)
    assert rows[3].per_gpu_hour == inf


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ("p.csv: got nothing, wants a header line: gpu,capacityType,zone,instanceType,pricePerGPUHour,asOf",)),
        ("gpu,pricePerGPUHour\n", ("p.csv: got no price, wants one at least",)),
        (
            "gpu;pricePerGPUHour\nL40S;1\n",
            (
                (
                    "p.csv:1: got a line without any name of a column, wants gpu,pricePerGPUHour and what narrows it,"
                    f" between commas: {COLUMNS.replace(' ', '')}"
                ),
            ),
        ),
        ("gpu,zone\nL40S,a\n", ("p.csv:1: column pricePerGPUHour: got nothing, wants it",)),
        ("gpu,GPU,pricePerGPUHour\n", ("p.csv:1: column gpu: got it twice, wants it once",)),
        ("gpu,pricePerGPUHour\nL40S\n", ("p.csv:2: got 1 cells, wants 2, as the header",)),
        (
            "gpu,pricePerGPUHour\nL40S,2_0\n,1\n",
            (
                "p.csv:2: pricePerGPUHour: got '2_0', wants USD per GPU and hour as a number, such as 2.49",
                "p.csv:3: gpu: got nothing, wants a key of the GPU catalog, such as L40S",
            ),
        ),
        (
            "gpu,pricePerGPUHour,capacityType,asOf\nL40S,,Rented,soon\n",
            (
                "p.csv:2: capacityType: got 'Rented', wants one of OnDemand, Spot, Reserved",
                "p.csv:2: asOf: got 'soon', wants a time such as 2026-11-21T10:00:00Z",
                "p.csv:2: pricePerGPUHour: got nothing, wants USD per GPU and hour as a number, such as 2.49",
            ),
        ),
        (
            "gpu,pricePerGPUHour\nL40S,1\n\nnvidia-l40s,2\n",
            ("p.csv:4: got L40S again, which line 2 has, wants each of them once",),
        ),
        ("gpu,pricePerGPUHour\nL40S,1e7\n", ("p.csv:2: pricePerGPUHour: got 1e+07, wants at most 1000000",)),
        (f"gpu,pricePerGPUHour\n{'x' * 64},1\n", (f"p.csv:2: gpu: got '{'x' * 58}…, wants at most 63 characters",)),
        ('gpu,pricePerGPUHour\n"L40S,1\n', ("p.csv:3: got unexpected end of data, wants CSV",)),
    ],
)
def test_every_fault_of_a_csv_table_is_a_line(text: str, lines: tuple[str, ...]) -> None:
    found = faults(csv, text)
    if "unexpected end" in lines[0]:
        assert found[0].endswith("got unexpected end of data, wants CSV")
    else:
        assert found == lines


def test_a_json_table_is_a_list_or_stands_under_prices() -> None:
    rows = (
        PriceRow(key=PriceKey(gpu="L40S", zone="a"), per_gpu_hour=1.2, as_of=datetime(2026, 11, 1, tzinfo=UTC)),
        PriceRow(key=PriceKey(gpu="H100"), per_gpu_hour=2.0),
    )
    one = '{"gpu": "L40S", "zone": "a", "pricePerGPUHour": 1.2, "asOf": "2026-11-01"}'
    text = f'[{one}, {{"gpu": "H100", "zone": null, "pricePerGPUHour": 2}}]'
    assert json(text) == rows
    assert json(f'{{"prices": {text}}}') == rows


def test_json_numbers_beyond_a_float_are_not_finite() -> None:
    rows = json(f'[{{"gpu": "A", "pricePerGPUHour": {"9" * 400}}}, {{"gpu": "B", "pricePerGPUHour": NaN}}]')
    assert rows[0].per_gpu_hour == inf
    assert isnan(rows[1].per_gpu_hour)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('[{"gpu" "L40S"}]', "p.json:1: column 9: got expecting ':' delimiter, wants JSON"),
        ("", "p.json:1: column 1: got expecting value, wants JSON"),
        ("[" * 100_000, "p.json: got a value too long or too deep, wants a list"),
        ("[]", "p.json: got no price, wants one at least"),
        ('{"gpu": 1}', "p.json: got an object, wants a list of objects such as"),
        ("7", "p.json: got a number, wants a list of objects such as"),
        ("[\n 3]", "p.json:2: got a number, wants an object"),
        (
            '[\n\n {"gpu": "L40S", "pricePerGPUHour": true}]',
            "p.json:3: pricePerGPUHour: got true, wants a number, such",
        ),
        ('[{"gpu": 4, "pricePerGPUHour": 1}]', "p.json:1: gpu: got 4, wants text (quote it)"),
        (
            '[{"gpu": "L40S", "pricePerGPUHour": 1, "pricePerGPUHour": 2}]',
            "p.json:1: pricePerGPUHour: got it twice, wants it once",
        ),
        (
            '[{"gpu": "L40S", "pricePerGPUHour": 1, "region": "x"}]',
            "p.json:1: 'region': got an unknown field, wants one of gpu, capacityType,",
        ),
        (
            '[{"gpu": "L40S", "pricePerGPUHour": 1}, {"gpu": "L40S", "pricePerGPUHour": 1}]',
            "p.json:1: got L40S again, which line 1 has, wants each of them once",
        ),
    ],
)
def test_every_fault_of_a_json_table_is_a_line(text: str, lines: str) -> None:
    found = faults(json, text)
    assert len(found) == 1
    assert found[0].startswith(lines)


def test_two_faults_of_different_rows_are_both_told() -> None:
    found = faults(json, '[{"gpu": "L40S"},\n {"gpu": "", "pricePerGPUHour": "1"}]')
    assert [line.partition(": got")[0] for line in found] == [
        "p.json:1: pricePerGPUHour",
        "p.json:2: pricePerGPUHour",
        "p.json:2: gpu",
    ]


def test_a_table_has_bounds() -> None:
    big = b"#" * (MAX_BYTES + 1)
    with pytest.raises(PriceSourceError, match="wants at most 4,194,304"):
        read_table(big, "p.csv", "CSV")
    many = "gpu,pricePerGPUHour\n" + "".join(f"g{number},1\n" for number in range(1001))
    assert faults(csv, many) == ("p.csv: got 1,001 prices, wants at most 1,000",)


def test_text_that_is_no_utf_8() -> None:
    with pytest.raises(PriceSourceError, match="got byte 0 that is not UTF-8"):
        read_table(b"\xff\xfe", "p.csv", "CSV")


@pytest.mark.parametrize("form", ["CSV", "JSON"])
def test_the_form_is_told_or_seen_by_the_name(form: str) -> None:
    assert form_of(f"prices.{form}", None) == form
    assert form_of("prices", form) == form
    with pytest.raises(PriceSourceError, match=r"'prices\.txt': got no format, wants format CSV or JSON"):
        form_of("prices.txt", None)


def test_the_error_tells_the_first_few_lines_and_how_many_more() -> None:
    with pytest.raises(PriceSourceError) as caught:
        csv("gpu,pricePerGPUHour\n" + "L40S,x\n" * 5)
    assert str(caught.value).endswith("(and 2 more)")
    assert len(caught.value.lines) == 5


# ----------------------------------------------------------------------------------------------------------- files


def test_a_file_is_read_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "prices.csv").write_text("gpu,pricePerGPUHour\nL40S,1\n")
    for path in ("sub/prices.csv", str(tmp_path / "sub" / "prices.csv")):
        assert [row.per_gpu_hour for row in read_file(PriceFile(path=path), tmp_path, confined=True)] == [1.0]


def test_links_inside_the_folder_are_followed_as_mounted_config_maps_have_them(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "prices.csv").write_text("gpu,pricePerGPUHour\nL40S,1\n")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "prices.csv").symlink_to("..data/prices.csv")
    assert len(read_file(PriceFile(path="prices.csv"), tmp_path, confined=True)) == 1


@pytest.mark.parametrize("path", ["../secret.csv", "{outside}/secret.csv", "link.csv", "a\0b.csv"])
def test_a_confined_reader_reads_nothing_outside_and_shows_nothing_of_it(tmp_path: Path, path: str) -> None:
    folder, outside = tmp_path / "prices", tmp_path
    folder.mkdir()
    (outside / "secret.csv").write_text("token-of-the-account\n")
    (folder / "link.csv").symlink_to(outside / "secret.csv")
    with pytest.raises(PriceSourceError) as caught:
        read_file(PriceFile(path=path.format(outside=outside)), folder, confined=True)
    assert "token-of-the-account" not in str(caught.value)
    assert "wants" in str(caught.value)


@pytest.mark.parametrize(
    ("made", "told"), [("nothing", "got no such file, wants a CSV or JSON table"), ("folder", "got is a directory")]
)
def test_a_file_that_cannot_be_read(tmp_path: Path, made: str, told: str) -> None:
    if made == "folder":
        (tmp_path / "prices.csv").mkdir()
    with pytest.raises(PriceSourceError, match=told):
        read_file(PriceFile(path="prices.csv"), tmp_path, confined=True)


def test_nothing_is_shown_of_a_file_that_is_no_table() -> None:
    with pytest.raises(PriceSourceError) as caught:
        read_table(b"PATH=/bin\0PASSWORD=hunter2,TOKEN=s3cr3t\0", "/proc/self/environ", "CSV")
    assert "hunter2" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
