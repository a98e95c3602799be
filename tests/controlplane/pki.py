"""Certificates and keys of one control plane, made with the openssl program."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_DAYS = "365"
_EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256")
_CONFIG = """\
[req]
distinguished_name = name
prompt = no
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = IP:127.0.0.1, DNS:localhost, DNS:kubernetes, DNS:kubernetes.default.svc, IP:10.0.0.1
"""


class PkiError(RuntimeError):
    """openssl is missing or refused."""


@dataclass(frozen=True)
class Pki:
    """Paths of the PEM files."""

    ca: Path
    server_certificate: Path
    server_key: Path
    service_account_private_key: Path
    service_account_public_key: Path


def create(folder: Path) -> Pki:
    """Makes a CA, a server certificate for loopback and a service-account key pair in `folder`.

    Raises:
        PkiError: there is no openssl, or it failed; the message holds what it said.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        raise PkiError("the control plane needs the `openssl` program for its certificates, and it is not on the PATH")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "openssl.cnf"
    config.write_text(_CONFIG, encoding="ascii")
    pki = Pki(
        ca=folder / "ca.crt",
        server_certificate=folder / "server.crt",
        server_key=folder / "server.key",
        service_account_private_key=folder / "sa.key",
        service_account_public_key=folder / "sa.pub",
    )

    def run(*arguments: str | Path) -> None:
        _run(openssl, arguments)

    ca_key, request = folder / "ca.key", folder / "server.csr"
    run("req", "-x509", *_EC_KEY, "-config", config, "-extensions", "ca", "-days", _DAYS,
        "-subj", "/CN=placewright-test-ca", "-keyout", ca_key, "-out", pki.ca)  # fmt: skip
    run("req", "-new", *_EC_KEY, "-config", config, "-subj", "/CN=kube-apiserver",
        "-keyout", pki.server_key, "-out", request)  # fmt: skip
    run("x509", "-req", "-in", request, "-CA", pki.ca, "-CAkey", ca_key, "-CAcreateserial", "-sha256",
        "-days", _DAYS, "-extfile", config, "-extensions", "server", "-out", pki.server_certificate)  # fmt: skip
    run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", pki.service_account_private_key)
    run("pkey", "-in", pki.service_account_private_key, "-pubout", "-out", pki.service_account_public_key)
    return pki


def _run(openssl: str, arguments: Sequence[str | Path]) -> None:
    done = subprocess.run([openssl, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PkiError(f"openssl {arguments[0]} failed ({done.returncode}): {done.stderr.strip()}")
