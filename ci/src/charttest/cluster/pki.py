"""The cluster's own certificate authority and the certificates it signs; nothing is shared or reused."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

VALID = dt.timedelta(days=30)
SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


@dataclass(frozen=True)
class Pair:
    """Where a certificate and its key lie, in PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Pki:
    """Everything the control plane's flags ask for."""

    authority: Pair
    server: Pair  # the API server's, for 127.0.0.1
    admin: Pair  # group system:masters
    controllers: Pair  # of those beside the cluster, as servers and as clients of each other
    front_proxy: Pair  # what aggregated APIs trust the API server by
    service_account_key: Path
    service_account_public_key: Path
    kubelets: dict[str, Pair]  # of real nodes, by node
    kube_proxy: Pair


def create(directory: Path, addresses: Iterable[str], nodes: Iterable[str] = ()) -> Pki:
    """Write a new authority, its certificates and the service account key pair into `directory`.

    The API server's certificate is for `addresses`; `nodes` are the names of the real nodes.
    """
    directory.mkdir(mode=0o700, parents=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    name = _name("charttest")
    certificate = (
        _builder(name, name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    authority = _write(directory, "ca", certificate, authority_key)

    def issue(file: str, subject: x509.Name, *usages: x509.ObjectIdentifier) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, name, key.public_key()).add_extension(
            x509.ExtendedKeyUsage(usages), critical=False
        )
        if ExtendedKeyUsageOID.SERVER_AUTH in usages:
            builder = builder.add_extension(_server_names(addresses), critical=False)
        return _write(directory, file, builder.sign(authority_key, hashes.SHA256()), key)

    account_key = ec.generate_private_key(ec.SECP256R1())
    private, public = directory / "service-account.key", directory / "service-account.pub"
    _write_secret(private, _private_pem(account_key))
    public.write_bytes(
        account_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return Pki(
        authority=authority,
        server=issue("apiserver", _name("kube-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH),
        admin=issue("admin", _name("admin", "system:masters"), ExtendedKeyUsageOID.CLIENT_AUTH),
        controllers=issue(
            "controllers",
            _name("controllers"),
            ExtendedKeyUsageOID.SERVER_AUTH,
            ExtendedKeyUsageOID.CLIENT_AUTH,
        ),
        front_proxy=issue("front-proxy", _name("front-proxy"), ExtendedKeyUsageOID.CLIENT_AUTH),
        service_account_key=private,
        service_account_public_key=public,
        kubelets={
            node: issue(
                f"kubelet-{node}",
                _name(f"system:node:{node}", "system:nodes"),
                ExtendedKeyUsageOID.CLIENT_AUTH,
            )
            for node in nodes
        },
        kube_proxy=issue("kube-proxy", _name("system:kube-proxy"), ExtendedKeyUsageOID.CLIENT_AUTH),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))  # clocks differ
        .not_valid_after(now + VALID)
    )


def _name(common: str, organization: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organization is not None:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _server_names(addresses: Iterable[str]) -> x509.SubjectAlternativeName:
    own = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    return x509.SubjectAlternativeName([*(x509.DNSName(name) for name in SERVER_NAMES), *own])


def _write(
    directory: Path, file: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> Pair:
    pair = Pair(directory / f"{file}.crt", directory / f"{file}.key")
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_secret(pair.key, _private_pem(key))
    return pair


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
