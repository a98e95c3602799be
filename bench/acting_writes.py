"""Writes of the operator on the API server, counted by the server's own audit log."""

import json
from collections import Counter
from pathlib import Path

USER = "operator"
_VERBS = ("create", "update", "patch", "delete", "deletecollection")
_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "users": [USER], "verbs": list(_VERBS)}, {"level": "None"}],
}
STATUSES, EVENTS = "placementrequests/status", "events"


class Writes:
    """The audit log of an API server.

    Args:
        folder: for the policy and the log.
    """

    def __init__(self, folder: Path) -> None:
        self._log = folder / "apiserver-audit.log"
        policy = folder / "apiserver-audit.json"
        policy.write_text(json.dumps(_POLICY), encoding="utf-8")
        self.arguments = (f"--audit-policy-file={policy}", f"--audit-log-path={self._log}")

    def mark(self) -> int:
        """This moment."""
        return self._log.stat().st_size if self._log.exists() else 0

    def since(self, mark: int, *, request: str = "") -> Counter[str]:
        """Writes that were answered since a moment, by "verb resource"; refused ones too, with their status.

        Args:
            mark: the moment.
            request: only those on objects of this name, or that begins with it and a dash; and all Events, whose names
                are not in the log. Empty: all.
        """
        found: Counter[str] = Counter()
        if not self._log.exists():
            return found
        with self._log.open("rb") as log:
            log.seek(mark)
            for line in log:
                if line.endswith(b"\n"):
                    entry = json.loads(line)
                    asked = entry["objectRef"]
                    name, event = asked.get("name", ""), asked["resource"] == EVENTS
                    if not request or event or name == request or name.startswith(f"{request}-"):
                        found[_kind(entry)] += 1
        return found


def _kind(entry: dict[str, dict[str, object]]) -> str:
    asked, code = entry["objectRef"], entry.get("responseStatus", {}).get("code", 0)
    part = asked.get("subresource")
    named = f"{entry['verb']} {asked['resource']}{f'/{part}' if part else ''}"
    return named if isinstance(code, int) and code < 400 else f"{named} ({code})"


def on_workloads(found: Counter[str]) -> Counter[str]:
    """Without statuses of requests and Events."""
    return Counter({kind: count for kind, count in found.items() if kind.split(" ")[1] not in {STATUSES, EVENTS}})


def said(found: Counter[str]) -> str:
    """In one line, such as "2 patch deployments, 1 patch services"."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(found.items())) or "none"
