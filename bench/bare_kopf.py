"""The yardstick: a bare kopf operator with one `on.event` handler that writes one status each.

Run by `operator_bench`; KUBECONFIG, NAMESPACE and STATUS (the status to write, as JSON) come from the environment.
"""

import json
import os
from typing import Any

import kopf

STATUS = json.loads(os.environ["STATUS"])


@kopf.on.event("placewright.dev", "v1alpha1", "placementrequests")
async def observed(body: Any, patch: Any, **_: Any) -> None:
    generation = body["metadata"]["generation"]
    if body.get("status", {}).get("observedGeneration") != generation:
        patch.status.update(STATUS)


if __name__ == "__main__":
    kopf.configure()
    kopf.run(standalone=True, namespaces=[os.environ["NAMESPACE"]])
