"""What a real API server does to an object before it stores it, and kmock does not."""

import json
import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jsonpatch
import kmock
from jsonpointer import JsonPointerException

from demo.crd import Crd, Json, with_defaults
from placewright.api.validate import validate


def created(crd: Crd | None, body: Mapping[str, Any], *, namespace: str | None, version: int) -> Json:
    """The object to store for a create: validated, with defaults and the server's metadata.

    Args:
        crd: of the object's kind: what it is held against, and its defaults; None: a kind of Kubernetes' own, which is
            stored as it is.
        body: as sent.
        namespace: of the URL; None: the kind is cluster-wide.
        version: the new resourceVersion.

    Raises:
        kmock.KubernetesError: 422 with every fault of the object, as the schema and its CEL rules see them.
    """
    metadata = dict(body.get("metadata", {}))
    if "name" not in metadata:
        metadata["name"] = f"{metadata.get('generateName', 'object-')}{secrets.token_hex(4)}"
    stored = {**body, "metadata": metadata}
    if crd is not None:
        faults = validate(json.dumps(stored), file="-", catalog=False).faults
        if faults:
            told = "; ".join(f"{fault.path}: got {fault.got}, wants {fault.wants}" for fault in faults)
            raise kmock.KubernetesError(status=422, reason="Invalid", message=told)
        stored.pop("status", None)  # it has a subresource of its own
        stored = with_defaults(crd.schema, stored)
    stored["metadata"] = {
        **metadata,
        **({} if namespace is None else {"namespace": namespace}),
        "uid": str(uuid.uuid4()),
        "resourceVersion": str(version),
        "generation": 1,
        "creationTimestamp": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    return stored


def with_status_patched(stored: Json, operations: Any, *, version: int) -> Json:
    """The object after a JSON patch of its status subresource; the same object when nothing changed.

    All operations apply or none; `test` is what makes a write conditional. Only the status is taken from the result:
    metadata and spec can be tested through the subresource, but not changed.

    Raises:
        kmock.KubernetesError: 400 for no JSON patch, 422 when a test does not hold or a path is not there.
    """
    if not isinstance(operations, list):
        raise kmock.KubernetesError(status=400, reason="BadRequest", message="got no list of JSON patch operations")
    try:
        patched = jsonpatch.apply_patch(stored, operations)
    except (jsonpatch.InvalidJsonPatch, TypeError) as error:
        raise kmock.KubernetesError(status=400, reason="BadRequest", message=str(error)) from error
    except (jsonpatch.JsonPatchException, JsonPointerException) as error:
        raise kmock.KubernetesError(status=422, reason="Invalid", message=f"the patch: {error}") from error
    if patched.get("status") == stored.get("status"):
        return stored
    metadata = {**stored["metadata"], "resourceVersion": str(version)}
    return {**stored, "metadata": metadata, "status": patched.get("status")}
