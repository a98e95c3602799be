import os
from pathlib import Path

import pytest

from placewright.cli.environment import prepare_compile_cache

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")


def _package(tmp_path: Path) -> Path:
    package = tmp_path / "package"
    (package / "core" / "__pycache__").mkdir(parents=True)
    return package


def _read_only(tmp_path: Path) -> Path:
    """A package whose cache folder cannot be made: a file stands where the folder of the core would be."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "core").write_text("")
    (package / "core").chmod(0o444)
    return package


def test_a_writable_package_keeps_its_kernels_beside_the_source(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    prepare_compile_cache(environ, _package(tmp_path))
    assert environ == {"HOME": str(tmp_path)}


def test_what_the_user_chose_stands(tmp_path: Path) -> None:
    environ = {"NUMBA_CACHE_DIR": "/somewhere"}
    prepare_compile_cache(environ, _read_only(tmp_path))
    assert environ == {"NUMBA_CACHE_DIR": "/somewhere"}


def test_a_read_only_package_goes_to_the_cache_folder_of_the_user(tmp_path: Path) -> None:
    for environ, expected in (
        ({"HOME": str(tmp_path)}, tmp_path / ".cache/placewright/numba"),
        ({"HOME": "/nowhere", "XDG_CACHE_HOME": str(tmp_path / "xdg")}, tmp_path / "xdg/placewright/numba"),
    ):
        package = tmp_path / f"p{len(list(tmp_path.iterdir()))}"
        package.mkdir()
        prepare_compile_cache(environ, _read_only(package))
        assert environ["NUMBA_CACHE_DIR"] == str(expected)
        assert expected.stat().st_mode & 0o777 == 0o700


def test_without_a_home_it_goes_to_a_private_temporary_folder(tmp_path: Path) -> None:
    environ: dict[str, str] = {"XDG_CACHE_HOME": "relative"}
    prepare_compile_cache(environ, _read_only(tmp_path), tmp_path)
    chosen = Path(environ["NUMBA_CACHE_DIR"])
    assert chosen == tmp_path / f"placewright-numba-{os.getuid()}"
    assert chosen.stat().st_mode & 0o022 == 0


def test_a_folder_that_others_can_write_is_not_trusted(tmp_path: Path) -> None:
    shared = tmp_path / ".cache/placewright/numba"
    shared.mkdir(parents=True)
    shared.chmod(0o777)
    environ = {"HOME": str(tmp_path)}
    prepare_compile_cache(environ, _read_only(tmp_path), tmp_path)
    assert environ["NUMBA_CACHE_DIR"] != str(shared)


def test_a_link_to_elsewhere_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".cache/placewright").mkdir(parents=True)
    (tmp_path / ".cache/placewright/numba").symlink_to(tmp_path / "elsewhere")
    environ = {"HOME": str(tmp_path)}
    prepare_compile_cache(environ, _read_only(tmp_path), tmp_path)
    assert environ["NUMBA_CACHE_DIR"] != str(tmp_path / ".cache/placewright/numba")
