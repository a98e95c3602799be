"""CRDs of other projects whose objects Placewright renders.

Gateway API's come from its Go module, pinned beside this file and checked by go.sum. Those of LeaderWorkerSet and
InferencePool are no part of any module that can be had: they are read from `../shared/data/crds` beside the checkout,
or from the folder that PLACEWRIGHT_CRDS names.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.controlplane.assets import HERE, AssetsError, AssetsUnavailableError, Which

_ROOT = HERE.parent.parent
_MODULE = "sigs.k8s.io/gateway-api"
LOOSE = ("leaderworkersets.yaml", "inferencepools.yaml")


def http_route_crd(which: Which = shutil.which) -> Path:
    """The standard channel's CRD of HTTPRoute; errors as of `gateway_crds`."""
    return gateway_crds(which)[0]


def gateway_crds(which: Which = shutil.which) -> tuple[Path, ...]:
    """The standard channel's CRDs of HTTPRoute and Gateway.

    Raises:
        AssetsUnavailableError: there is no Go, so the module cannot be had.
        AssetsError: the module could not be downloaded.
    """
    go = which("go")
    if go is None:
        raise AssetsUnavailableError(f"there is no Go to download {_MODULE} with")
    done = subprocess.run(
        [go, "mod", "download", "-json", _MODULE],
        cwd=HERE / "gateway",
        env={**os.environ, "GOWORK": "off", "GOFLAGS": "-mod=readonly"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode != 0:
        raise AssetsError(f"`go mod download {_MODULE}` failed: {(done.stdout + done.stderr).strip()}")
    folder = Path(json.loads(done.stdout)["Dir"]) / "config/crd/standard"
    return tuple(folder / f"gateway.networking.k8s.io_{kind}.yaml" for kind in ("httproutes", "gateways"))


def loose_crds(env: Mapping[str, str]) -> tuple[Path, ...]:
    """The CRDs of LeaderWorkerSet and InferencePool.

    Raises:
        AssetsUnavailableError: they are not there; the message says where they are looked for.
    """
    folder = Path(env.get("PLACEWRIGHT_CRDS") or _ROOT.parent / "shared/data/crds")
    files = tuple(folder / name for name in LOOSE)
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise AssetsUnavailableError(
            f"{' and '.join(missing)} are not in {folder}: take them from the projects' releases and name their folder"
            " in PLACEWRIGHT_CRDS"
        )
    return files
