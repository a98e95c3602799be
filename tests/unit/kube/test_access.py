import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from placewright.kube.access import Access, CredentialsError, access_for, load_configuration
from placewright.kube.client import ApiError, KubeClient


class TokenServer:
    """Knows one token, and remembers what it was sent."""

    def __init__(self) -> None:
        self.token = "first"
        self.seen: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.headers.get("Authorization", ""))
        if self.seen[-1] != f"Bearer {self.token}":
            return web.json_response({"kind": "Status", "reason": "Unauthorized"}, status=401)
        return web.json_response({"resources": [{"name": "placementrequests"}]})


def write_kubeconfig(folder: Path, url: str) -> Path:
    (folder / "token").write_text("first", encoding="utf-8")
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": {"tokenFile": "token"}}],
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def with_server(tmp_path: Path, scenario: Callable[[TokenServer, Access, KubeClient], Awaitable[None]]) -> None:
    async def run() -> None:
        server = TokenServer()
        application = web.Application()
        application.router.add_get("/{path:.*}", server.handle)
        async with TestServer(application) as listening:
            access = access_for(str(write_kubeconfig(tmp_path, str(listening.make_url("")))))
            async with access.session() as session:
                await scenario(server, access, KubeClient(session, access.server))

    asyncio.run(run())


def test_a_rotated_token_is_read_again_when_the_server_refuses_the_old_one(tmp_path: Path) -> None:
    async def scenario(server: TokenServer, _: Access, client: KubeClient) -> None:
        assert await client.serves_requests()
        server.token = "second"
        (tmp_path / "token").write_text("second", encoding="utf-8")
        assert await client.serves_requests()
        assert await client.serves_requests()
        assert server.seen == ["Bearer first", "Bearer first", "Bearer second", "Bearer second"]

    with_server(tmp_path, scenario)


def test_many_refused_at_once_renew_once(tmp_path: Path) -> None:
    async def scenario(server: TokenServer, _: Access, client: KubeClient) -> None:
        server.token = "second"
        (tmp_path / "token").write_text("second", encoding="utf-8")
        assert await asyncio.gather(*(client.serves_requests() for _ in range(5))) == [True] * 5
        assert server.seen.count("Bearer second") == 5

    with_server(tmp_path, scenario)


def test_a_token_that_stays_wrong_is_a_refusal_and_not_looked_up_without_end(tmp_path: Path) -> None:
    async def scenario(server: TokenServer, _: Access, client: KubeClient) -> None:
        server.token = "third"
        for _attempt in range(3):
            with pytest.raises(ApiError, match="401"):
                await client.serves_requests()
        assert server.seen == ["Bearer first"] * 3

    with_server(tmp_path, scenario)


def test_every_session_has_the_credentials_of_now(tmp_path: Path) -> None:
    async def scenario(server: TokenServer, access: Access, _: KubeClient) -> None:
        async with access.session() as session, session.get(f"{access.server}/apis") as answer:
            assert answer.status == 200
        assert server.seen == ["Bearer first"]

    with_server(tmp_path, scenario)


def test_missing_and_broken_credentials_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"--kubeconfig: got .*absent, wants a file that is there"):
        access_for(str(tmp_path / "absent"))
    broken = tmp_path / "broken"
    broken.write_text("users: []\n", encoding="utf-8")
    with pytest.raises(CredentialsError, match="no credentials for a cluster from"):
        load_configuration(str(broken))
    path = write_kubeconfig(tmp_path, "http://127.0.0.1:1")
    with pytest.raises(CredentialsError, match="elsewhere"):
        load_configuration(str(path), "elsewhere")


@pytest.mark.parametrize("text", ["root:x:0", "- a", "users: 3", "users: [{user: {token: s3cr3t}}\n  bad: [", "\0"])
def test_a_file_of_another_kind_is_one_line_without_its_text(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CredentialsError, match=r"no credentials for a cluster from .*got no kubeconfig") as caught:
        load_configuration(str(file))
    assert "s3cr3t" not in str(caught.value)
