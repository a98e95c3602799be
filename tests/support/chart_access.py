"""What an account may do, as the real `kubectl auth can-i` tells it."""

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.controlplane.processes import wait_until
from tests.controlplane.server import ControlPlane
from tests.support.chart_site import find

Json = dict[str, Any]
Rights = dict[str, frozenset[str]]
"""Verbs by resource, as `deployments.apps/scale`."""

_ROW = re.compile(r"^(?P<resource>\S+) +\[(?P<urls>[^]]*)\] +\[(?P<names>[^]]*)\] +\[(?P<verbs>[^]]*)\]$")


def _stand_in(group: str, kind: str, *, version: str = "v1", scale: bool = False) -> Json:
    plural = f"{kind.lower()}s"
    subresources: Json = {"status": {}}
    if scale:
        subresources["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
        }
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    approved = {"api-approved.kubernetes.io": "https://github.com/kubernetes/enhancements/pull/1111"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": approved},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [{**served, "subresources": subresources}],
        },
    }


FOREIGN = (
    _stand_in("leaderworkerset.x-k8s.io", "LeaderWorkerSet", scale=True),
    _stand_in("gateway.networking.k8s.io", "HTTPRoute"),
    _stand_in("inference.networking.k8s.io", "InferencePool"),
    _stand_in("keda.sh", "ScaledObject", version="v1alpha1"),
)
"""CRDs that stand in for those of other projects: kubectl answers about no kind that is not served."""


@contextmanager
def foreign_kinds(plane: ControlPlane) -> Iterator[None]:
    """Serves the kinds of other projects, and none of them afterwards."""
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for crd in FOREIGN:
        plane.admin.create(crds, crd)
    try:
        for crd in FOREIGN:
            spec = crd["spec"]
            path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
            wait_until(lambda path=path: find(plane, path) is not None, 60, f"{path} to be served")  # type: ignore[misc]
        yield
    finally:
        for crd in FOREIGN:
            name = f"{crds}/{crd['metadata']['name']}"
            plane.admin.delete(name)
            wait_until(lambda path=name: find(plane, path) is None, 150, f"{name} to go")  # type: ignore[misc]


class Access:
    """One ServiceAccount, asked after by an admin who speaks for it (`--as`).

    Args:
        plane: the control plane.
        namespace: of the account.
        account: its name.
    """

    def __init__(self, plane: ControlPlane, namespace: str, account: str) -> None:
        self._plane = plane
        self._as = f"--as=system:serviceaccount:{namespace}:{account}"

    def may(self, verb: str, resource: str, namespace: str = "") -> bool:
        """Whether it may do this in a namespace; in every namespace for an empty one."""
        what, _, part = resource.partition("/")
        scope = ["-n", namespace] if namespace else ["--all-namespaces"]
        options = [f"--subresource={part}"] if part else []
        told = self._plane.kubectl("auth", "can-i", verb, what, *options, *scope, self._as, check=False)
        assert told.stdout.strip() in {"yes", "no"}, told.stderr
        assert "the server doesn't have a resource type" not in told.stderr, f"no answer: {told.stderr}"
        return told.stdout.strip() == "yes"

    def of(self, asked: Iterable[tuple[str, str]], namespace: str = "") -> list[tuple[str, str]]:
        """Those of (verb, resource) that it may do."""
        questions = list(asked)
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda each: self.may(each[0], each[1], namespace), questions))
        return [question for question, answer in zip(questions, answers, strict=True) if answer]

    def all(self, namespace: str) -> Rights:
        """All that it may do in a namespace (`--list`), by resource; what names bind is `resource#name`."""
        told = self._plane.kubectl("auth", "can-i", "--list", "-n", namespace, self._as)
        assert "incomplete" not in told.stderr, told.stderr
        found: dict[str, set[str]] = {}
        for line in told.stdout.splitlines()[1:]:
            row = _ROW.match(line)
            if row is None:  # a path that is no resource
                continue
            for name in row["names"].split() or [""]:
                resource = f"{row['resource']}#{name}" if name else row["resource"]
                found.setdefault(resource, set()).update(row["verbs"].split())
        return {resource: frozenset(verbs) for resource, verbs in found.items()}


def beyond(rights: Rights, common: Rights) -> Rights:
    """The rights without those that everybody has."""
    rest = {resource: verbs - common.get(resource, frozenset()) for resource, verbs in rights.items()}
    return {resource: verbs for resource, verbs in rest.items() if verbs}


def rights_of(rules: Iterable[Json]) -> Rights:
    """The same of rules as a Role holds them."""
    found: dict[str, set[str]] = {}
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                what, slash, part = resource.partition("/")
                name = (f"{what}.{group}" if group else what) + slash + part
                found.setdefault(name, set()).update(rule["verbs"])
    return {resource: frozenset(verbs) for resource, verbs in found.items()}
