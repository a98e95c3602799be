"""Credentials of one API server: in the cluster or by a kubeconfig, renewed when the server refuses them."""

import asyncio
import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
from kubernetes.client import Configuration
from kubernetes.client.rest import should_bypass_proxies
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
from yaml import YAMLError

from placewright.core.errors import PlacewrightError

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0
_RENEWAL_SECONDS = 5.0  # a refused token is looked up again at most this often
_HEADER_SECONDS = 10.0  # asking the client for the token on each request would cost more than the request
_USER_AGENT = "placewright"


class CredentialsError(PlacewrightError):
    """No usable credentials; the text says where they were looked for."""


def load_configuration(kubeconfig: str | None = None, context: str | None = None) -> Configuration:
    """Credentials from the given kubeconfig, else $KUBECONFIG, else the pod's ServiceAccount, else ~/.kube/config.

    Raises:
        CredentialsError: none of them is there, or the one that is there cannot be read.
    """
    configuration = Configuration()
    path = kubeconfig or os.environ.get("KUBECONFIG") or None
    where = path or "the pod's ServiceAccount or ~/.kube/config"
    try:
        if path is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            load_kube_config(  # type: ignore[no-untyped-call]
                config_file=path, context=context, client_configuration=configuration
            )
    except (ConfigException, OSError, ValueError) as error:
        raise CredentialsError(f"no credentials for a cluster from {where}: {error}") from error
    except (TypeError, AttributeError, LookupError, YAMLError):  # their texts may show a part of the file
        raise CredentialsError(f"no credentials for a cluster from {where}: got no kubeconfig, wants one") from None
    return configuration


class Access:
    """Where the API server is and how to prove who we are.

    The ServiceAccount token is read again each minute (the kubernetes client does that); any other credential is
    loaded again once the server answers 401, so that a rotated token needs no restart.

    Args:
        load: reads the credentials; called again to renew them.
        clock: monotonic seconds.
    """

    def __init__(self, load: Callable[[], Configuration], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._clock = clock
        self._configuration = load()
        self._known_header: str | None = None
        self._asked_at = float("-inf")
        self._renewed_at = float("-inf")
        self._renewal = asyncio.Lock()

    @property
    def server(self) -> str:
        """URL of the API server, without a slash at the end."""
        return str(self._configuration.host).rstrip("/")

    def _proxy(self) -> str | None:
        """The proxy to go through, unless NO_PROXY names the API server."""
        excluded = self._configuration.no_proxy or ""
        return None if should_bypass_proxies(self.server, excluded) else self._configuration.proxy or None

    def session(self) -> aiohttp.ClientSession:
        """A new HTTP session with these credentials; whoever asks for it closes it."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls()),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS),
            headers={"User-Agent": _USER_AGENT},
            middlewares=(self._authorize,),
            proxy=self._proxy(),
        )

    def _header(self) -> str | None:
        if self._clock() - self._asked_at > _HEADER_SECONDS:
            self._ask()
        return self._known_header

    def _ask(self) -> None:
        """Asks the client for the token, which reads the ServiceAccount's file again when it is a minute old."""
        value = self._configuration.get_api_key_with_prefix("BearerToken")
        self._known_header = None if value is None else str(value)
        self._asked_at = self._clock()

    def _tls(self) -> ssl.SSLContext:
        configuration = self._configuration
        context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
        if not configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    async def _authorize(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        used = self._header()
        if used is not None:
            request.headers["Authorization"] = used
        response = await send(request)
        if response.status != 401:
            return response
        await self._renew(used)
        fresh = self._header()
        if fresh is None or fresh == used:
            return response
        response.release()
        request.headers["Authorization"] = fresh
        return await send(request)

    async def _renew(self, refused: str | None) -> None:
        async with self._renewal:
            if self._header() != refused or self._clock() - self._renewed_at < _RENEWAL_SECONDS:
                return
            self._renewed_at = self._clock()
            # Off the loop: a kubeconfig may run a plugin to get a token.
            self._configuration = await asyncio.to_thread(self._load)
            self._ask()


def access_for(kubeconfig: str | None = None, context: str | None = None) -> Access:
    """Access by the usual places of credentials; errors as in `load_configuration`."""
    if kubeconfig is not None and not Path(kubeconfig).is_file():
        raise CredentialsError(f"--kubeconfig: got {kubeconfig}, wants a file that is there")
    return Access(lambda: load_configuration(kubeconfig, context))
