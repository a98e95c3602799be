"""A small JSON client for the API server, with the standard library only."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

Json = dict[str, Any]


class ApiError(RuntimeError):
    """The API server answered with an error status."""

    def __init__(self, method: str, path: str, status: int, message: str) -> None:
        super().__init__(f"{method} {path}: {status} {message}")
        self.status = status
        self.message = message


class Api:
    """One user's access to one API server.

    Args:
        url: like https://127.0.0.1:20443.
        ca: PEM file with the server's CA; None trusts whoever answers, for health probes of one's own servers.
        token: bearer token; None is anonymous.
    """

    def __init__(self, url: str, ca: Path | None, token: str | None) -> None:
        self.url = url
        self.token = token
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
        if ca is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        # No proxies: everything here is on loopback, whatever the environment says.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def text(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = JSON,
        timeout_s: float = 10.0,
    ) -> str:
        """One request; returns the body.

        Raises:
            ApiError: the answer's status is 400 or above.
            OSError: nobody answered in time.
        """
        headers = {"Accept": JSON, "Content-Type": content_type}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with self._opener.open(request, timeout=timeout_s) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(method, path, error.code, _message(error.read())) from None

    def request(self, method: str, path: str, body: Any = None, content_type: str = JSON) -> Json:
        """One request with a JSON answer; errors as in `text`."""
        answer: Json = json.loads(self.text(method, path, body, content_type))
        return answer

    def get(self, path: str) -> Json:
        return self.request("GET", path)

    def items(self, path: str) -> list[Json]:
        """The items of a list."""
        found: list[Json] = self.get(path)["items"]
        return found

    def create(self, path: str, body: Mapping[str, Any]) -> Json:
        return self.request("POST", path, dict(body))

    def patch(self, path: str, body: Any, content_type: str = MERGE_PATCH) -> Json:
        return self.request("PATCH", path, body, content_type)

    def delete(self, path: str) -> Json:
        """Deletes; an object or collection that is not there is fine and gives an empty answer."""
        try:
            return self.request("DELETE", path)
        except ApiError as error:
            if error.status == 404:
                return {}
            raise

    def ok(self, path: str) -> bool:
        """Whether a health path such as /readyz answers without an error status now."""
        try:
            self.text("GET", path, timeout_s=2.0)
        except (OSError, ApiError):
            return False
        return True


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()
