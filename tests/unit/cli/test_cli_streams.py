import io
import os
from pathlib import Path

import pytest

from placewright.cli.faults import FaultsError
from placewright.cli.streams import is_terminal, shows_unicode, write_file


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "new.csv", "a,b\n")
    finally:
        os.umask(before)
    assert (tmp_path / "new.csv").read_text() == "a,b\n"
    assert (tmp_path / "new.csv").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


def test_a_file_that_is_there_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_text("old")
    path.chmod(0o600)
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    write_file(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


def test_a_device_is_written_to_and_not_replaced() -> None:
    write_file(Path("/dev/null"), "x")
    assert not Path("/dev/null").is_file()


def test_what_cannot_be_written_is_a_fault_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="no such file or directory, wants a file to write"):
        write_file(tmp_path / "none" / "x", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FaultsError, match="is a directory"):
        write_file(tmp_path / "folder", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


class _Text(io.StringIO):
    encoding = "utf-8"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LANG": "en_US.UTF-8", "TERM": "xterm"}, True),
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, False),
        ({"LANG": "en_US.UTF-8", "TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_where_unicode_can_be_expected(environ: dict[str, str], *, expected: bool) -> None:
    assert shows_unicode(_Text(), environ) is expected


def test_a_closed_stream_is_no_terminal() -> None:
    stream = io.StringIO()
    stream.close()
    assert not is_terminal(stream)
