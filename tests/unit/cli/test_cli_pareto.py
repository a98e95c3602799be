"""`pareto`: the frontier as a table, data, characters and pictures."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from placewright.cli import extras
from placewright.cli.faults import FaultsError
from placewright.cli.frontier import FrontierRow, plot

Run = Callable[..., Result]
File = Callable[..., Path]
Chat = Callable[..., dict[str, Any]]


def test_the_table_has_the_whole_frontier_and_marks_the_plan(run: Run, medium: Path) -> None:
    result = run("pareto", "--config-dir", medium)
    assert result.exit_code == 0
    rows = [line for line in result.stdout.splitlines() if line.startswith("  $")]
    costs = [float(row.split()[0].removeprefix("$")) for row in rows]
    rates = [float(row.split()[1].replace(",", "")) for row in rows]
    assert costs == sorted(costs)
    assert rates == sorted(rates)
    assert rows[-1].endswith("plan, best price")
    assert sum("plan" in row for row in rows) == 1


def test_json_has_the_points_of_the_status_and_more(run: Run, medium: Path) -> None:
    found = json.loads(run("pareto", "--config-dir", medium, "-o", "json").stdout)
    assert found["kind"] == "PlacementFrontierList"
    (item,) = found["items"]
    assert item["metadata"] == {"name": "medium", "namespace": ""}
    points = item["status"]["frontier"]
    status = json.loads(run("plan", "--config-dir", medium, "-o", "json").stdout)["items"][0]["status"]
    keys = ("costPerHour", "tokensPerSecond", "costPerMillionTokens")
    assert [[point[key] for key in keys] for point in points] == [
        [point[key] for key in keys] for point in status["frontier"]
    ]
    assert [point["costPerHour"] for point in points if point["plan"]] == [8.0]
    assert [point["costPerHour"] for point in points if point["bestPrice"]] == [8.0]
    assert item["status"]["plan"]["id"] == status["plan"]["id"]


def test_a_request_that_wants_no_frontier_gets_one_here(run: Run, file: File, chat: Chat) -> None:
    result = run("pareto", "-f", file(chat(solver={"frontier": False})), "-o", "json")
    assert json.loads(result.stdout)["items"][0]["status"]["frontier"]


def test_a_picture_is_the_same_each_time(run: Run, medium: Path, tmp_path: Path) -> None:
    svg = [tmp_path / "1.svg", tmp_path / "2.svg"]
    for path in svg:
        assert run("pareto", "--config-dir", medium, "-o", "svg", "--output", path).exit_code == 0
    assert svg[0].read_bytes() == svg[1].read_bytes()
    assert ET.fromstring(svg[0].read_text()).tag.endswith("svg")
    assert "tokens/s" in svg[0].read_text()
    png = tmp_path / "1.png"
    run("pareto", "--config-dir", medium, "-o", "png", "--output", png)
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert run("pareto", "--config-dir", medium, "-o", "png").stdout_bytes.startswith(b"\x89PNG")


class _Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_the_page_stands_alone(run: Run, file: File, chat: Chat, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    result = run("pareto", "-f", file(chat("one"), chat("two")), "-o", "html", "--output", path)
    assert (result.exit_code, result.stdout) == (0, "")
    page = _Page(path.read_text())
    assert page.tags.count("svg") == page.tags.count("table") == page.tags.count("h1") == 2
    assert "script" not in page.tags
    assert all(reference.startswith("#") for reference in page.outside)
    assert "default/one" in path.read_text()


def test_a_table_goes_to_a_file_too(run: Run, medium: Path, tmp_path: Path) -> None:
    path = tmp_path / "frontier.txt"
    assert run("pareto", "--config-dir", medium, "--output", path).stdout == ""
    assert path.read_text() == run("pareto", "--config-dir", medium).stdout


def test_the_plot_is_plain_text(run: Run, medium: Path) -> None:
    result = run("pareto", "--config-dir", medium, "-o", "plot", env={"COLUMNS": "60", "LANG": "C", "LC_ALL": "C"})
    assert result.exit_code == 0
    assert "1000 tokens/s over $/h: * layout, P plan, B best price" in result.stdout
    assert result.stdout.isascii()
    assert max(map(len, result.stdout.splitlines())) <= 60
    assert "$/M TOKENS" not in result.stdout


def test_a_plot_shows_each_kind_of_point() -> None:
    rows = [
        FrontierRow(
            cost_per_hour=cost,
            tokens_per_second=rate,
            cost_per_million_tokens=1.0,
            layout="",
            is_plan=cost == 2.0,
            is_best_price=cost == 3.0,
        )
        for cost, rate in ((1.0, 10.0), (2.0, 20.0), (3.0, 40.0))
    ]
    drawn = plot(rows, width=60, unicode=True)
    body = "\n".join(drawn.splitlines()[1:])
    assert (body.count("*"), body.count("P"), body.count("B")) == (1, 1, 1)
    assert drawn.splitlines()[0].strip().startswith("tokens/s over $/h")
    assert "┌" in drawn
    assert plot(rows, width=20, unicode=True) == plot([], width=80, unicode=True) == ""
    assert re.search(r"[^\x00-\x7f]", plot(rows, width=60, unicode=False)) is None


def test_an_infeasible_request_has_no_frontier(run: Run, medium: Path) -> None:
    arguments = ["pareto", "--config-dir", medium, "--set", "layer_weight_memory_gb=500"]
    result = run(*arguments)
    assert result.exit_code == 4
    assert "No layout is on the frontier." in result.stdout
    for form in ("html", "svg", "json", "plot"):
        assert run(*arguments, "-o", form).exit_code == 4


def test_a_part_that_is_not_installed_says_how_to_get_it() -> None:
    with pytest.raises(FaultsError, match=r"wants nosuchpart; install it with: pip install 'placewright\[plot\]'"):
        extras.load("nosuchpart.figure", extra="plot", what="-o svg")
    assert not extras.is_installed("nosuchpart")
    assert extras.is_installed("json")
