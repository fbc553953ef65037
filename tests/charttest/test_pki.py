"""The cluster's certificates: what they are for, and who may read their keys."""

from __future__ import annotations

import ipaddress
import stat
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from charttest.cluster import pki

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def made(tmp_path: Path) -> pki.Pki:
    return pki.create(tmp_path / "pki", ("127.0.0.1", "10.200.128.1"), ("gpu-0",))


def load(pair: pki.Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("server", ExtendedKeyUsageOID.SERVER_AUTH),
        ("admin", ExtendedKeyUsageOID.CLIENT_AUTH),
        ("front_proxy", ExtendedKeyUsageOID.CLIENT_AUTH),
    ],
)
def test_the_authority_signs_each_certificate_for_one_use(
    made: pki.Pki, name: str, usage: x509.ObjectIdentifier
) -> None:
    certificate = load(getattr(made, name))
    certificate.verify_directly_issued_by(load(made.authority))
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]


def test_the_server_certificate_names_its_addresses_and_the_kubernetes_service(made: pki.Pki) -> None:
    names = load(made.server).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    wanted = [ipaddress.ip_address(address) for address in ("127.0.0.1", "10.200.128.1")]
    assert names.get_values_for_type(x509.IPAddress) == wanted
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)


def test_the_administrator_belongs_to_system_masters(made: pki.Pki) -> None:
    [group] = load(made.admin).subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert group.value == "system:masters"


def test_a_kubelet_is_the_node_that_it_says(made: pki.Pki) -> None:
    subject = load(made.kubelets["gpu-0"]).subject
    found = {attribute.oid: attribute.value for attribute in subject}
    assert found == {NameOID.ORGANIZATION_NAME: "system:nodes", NameOID.COMMON_NAME: "system:node:gpu-0"}


def test_only_the_owner_can_read_a_key(made: pki.Pki) -> None:
    keys = list(made.authority.key.parent.glob("*.key"))
    assert len(keys) == 8
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


def test_two_clusters_do_not_trust_each_other(made: pki.Pki, tmp_path: Path) -> None:
    other = pki.create(tmp_path / "other", ("127.0.0.1",))
    with pytest.raises(Exception, match=r"^$"):  # InvalidSignature has no message
        load(other.admin).verify_directly_issued_by(load(made.authority))
