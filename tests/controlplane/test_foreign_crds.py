"""Where CRDs of other projects come from, and what is said where they are not."""

from pathlib import Path

import pytest

from tests.controlplane.assets import AssetsUnavailableError
from tests.controlplane.foreign_crds import LOOSE, http_route_crd, loose_crds


def test_without_go_there_is_no_route() -> None:
    with pytest.raises(AssetsUnavailableError, match=r"no Go to download sigs\.k8s\.io/gateway-api"):
        http_route_crd(which=lambda _name: None)


def test_missing_files_are_named_with_their_folder(tmp_path: Path) -> None:
    (tmp_path / LOOSE[0]).write_text("", encoding="utf-8")
    with pytest.raises(AssetsUnavailableError) as missing:
        loose_crds({"PLACEWRIGHT_CRDS": str(tmp_path)})
    assert str(missing.value).startswith(f"{LOOSE[1]} are not in {tmp_path}: ")


def test_a_folder_that_is_named_wins(tmp_path: Path) -> None:
    for name in LOOSE:
        (tmp_path / name).write_text("", encoding="utf-8")
    assert loose_crds({"PLACEWRIGHT_CRDS": str(tmp_path)}) == tuple(tmp_path / name for name in LOOSE)
