"""Samples on a real API server, with the status that their decision gets."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from placewright.api.base import Inert
from placewright.api.convert import to_request
from placewright.api.kinds import KINDS
from placewright.api.outcome import same_decision, to_status
from placewright.api.parse import parse
from placewright.core.decide import decide
from placewright.core.identity import inputs_hash

Kubectl = Callable[..., Any]
FOLDERS = {
    name: sorted((Path(__file__).resolve().parents[2] / "config" / "samples" / name).glob("*.yaml"))
    for name in ("fleet", "live", "acting")
}
SAMPLES = sorted((Path(__file__).resolve().parents[2] / "config" / "samples").glob("*.yaml"))

pytestmark = pytest.mark.usefixtures("crds")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_status_of_a_sample_is_kept_whole(sample: Path, kubectl: Kubectl, namespace: str) -> None:
    applied = json.loads(kubectl("apply", "-n", namespace, "-f", sample, "-o", "json").stdout)
    applied["metadata"]["annotations"].clear()  # kubectl's own
    request = to_request(parse(applied))
    decision = decide(request, clock=time.monotonic)
    status = to_status(decision, generation=1, decided_at=datetime(2026, 11, 21, 10, tzinfo=UTC), duration_seconds=0.04)

    patch = json.dumps({"status": status})
    name = applied["metadata"]["name"]
    options = ("-n", namespace, "--subresource=status", "--type=merge", "-o", "json")
    stored = json.loads(kubectl("patch", "plr", name, *options, "-p", patch).stdout)

    assert stored["status"] == status
    assert same_decision(stored["status"], status)
    # What the server stores, with its defaults, asks the same as the file does.
    assert inputs_hash(to_request(parse(stored))) == decision.inputs_hash


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_of_samples_is_taken_as_it_stands(folder: str, kubectl: Kubectl, namespace: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in FOLDERS[folder]]
    given = [body for text in texts for body in yaml.safe_load_all(text)]
    for body in given:
        body["metadata"].pop("namespace", None)
    manifest = yaml.safe_dump_all(given)

    try:
        done = kubectl("apply", "-n", namespace, "-f", "-", "-o", "json", stdin=manifest)
        stored = {(item["kind"], item["metadata"]["name"]): item for item in json.loads(done.stdout)["items"]}
        assert stored.keys() == {(body["kind"], body["metadata"]["name"]) for body in given}
        for body in given:
            item = stored[body["kind"], body["metadata"]["name"]]
            model = KINDS[body["kind"]].resource
            # What the server stores, with its defaults, says the same as the file does.
            assert _spec(model, item) == _spec(model, body)
    finally:
        kubectl("delete", "-n", namespace, "-f", "-", "--ignore-not-found", stdin=manifest)


def _spec(model: type[Inert], body: dict[str, Any]) -> Any:
    return getattr(model.model_validate(body), "spec")  # noqa: B009 - every kind has one, which their base does not say
