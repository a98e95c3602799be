"""The command lines and files of each server of the control plane."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.controlplane.pki import Pki

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """Loopback ports of one control plane."""

    etcd_client: int
    etcd_peer: int
    apiserver: int
    controller_manager: int
    scheduler: int
    kwok: int

    @property
    def etcd_url(self) -> str:
        return f"http://{HOST}:{self.etcd_client}"

    @property
    def apiserver_url(self) -> str:
        return f"https://{HOST}:{self.apiserver}"


@dataclass(frozen=True)
class User:
    """A user of the token file."""

    name: str
    token: str
    groups: tuple[str, ...] = ()


def token_file(users: Sequence[User]) -> str:
    """The CSV that --token-auth-file reads: token, user, uid, groups."""
    lines = (f'{user.token},{user.name},{user.name},"{",".join(user.groups)}"\n' for user in users)
    return "".join(lines)


def kubeconfig(url: str, ca_pem: bytes, user: str, token: str) -> str:
    """A kubeconfig for one user, with the CA inside so that it can be moved."""
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(ca_pem).decode("ascii")}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "placewright-test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [
                {"name": "placewright-test", "context": {"cluster": "placewright-test", "user": user}},
            ],
            "current-context": "placewright-test",
        },
        sort_keys=False,
    )


def etcd(ports: Ports, data: Path) -> list[str]:
    """No fsync: what a test cluster holds need not survive a power cut, and it is much faster without."""
    peer_url = f"http://{HOST}:{ports.etcd_peer}"
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={ports.etcd_url}",
        f"--advertise-client-urls={ports.etcd_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(ports: Ports, pki: Pki, tokens: Path, folder: Path, extra: Sequence[str]) -> list[str]:
    """`extra` comes last, so it overrides."""
    return [
        f"--etcd-servers={ports.etcd_url}",
        f"--bind-address={HOST}",
        f"--advertise-address={HOST}",
        f"--secure-port={ports.apiserver}",
        "--endpoint-reconciler-type=none",
        f"--cert-dir={folder}",
        f"--client-ca-file={pki.ca}",
        f"--tls-cert-file={pki.server_certificate}",
        f"--tls-private-key-file={pki.server_key}",
        f"--token-auth-file={tokens}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki.service_account_public_key}",
        f"--service-account-signing-key-file={pki.service_account_private_key}",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        "--service-cluster-ip-range=10.0.0.0/24",
        *extra,
    ]


def controller_manager(ports: Ports, pki: Pki, kubeconfig_file: Path, folder: Path) -> list[str]:
    """All default controllers but the one that hands out pod addresses."""
    return [
        f"--kubeconfig={kubeconfig_file}",
        "--controllers=*,-node-ipam-controller",
        "--leader-elect=false",
        "--node-monitor-grace-period=24h",  # kwok's fast stages send no heartbeats: Nodes would flap every 50 s
        f"--service-account-private-key-file={pki.service_account_private_key}",
        f"--root-ca-file={pki.ca}",
        f"--bind-address={HOST}",
        f"--secure-port={ports.controller_manager}",
        f"--cert-dir={folder}",
    ]


def scheduler(ports: Ports, kubeconfig_file: Path, folder: Path) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig_file}",
        "--leader-elect=false",
        f"--bind-address={HOST}",
        f"--secure-port={ports.scheduler}",
        f"--cert-dir={folder}",
    ]


def kwok(ports: Ports, kubeconfig_file: Path, stages: Path) -> list[str]:
    """Plays the kubelet of every Node."""
    return [
        f"--kubeconfig={kubeconfig_file}",
        "--manage-all-nodes",
        f"--config={stages}",
        f"--server-address={HOST}:{ports.kwok}",
    ]
