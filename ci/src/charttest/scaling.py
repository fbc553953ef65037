"""The pytest fixtures of scaling tests: real engines on a real node, and the real controllers beside them.

They start with the first test that asks for them. Without a real node those tests are skipped, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from charttest.cluster import LocalCluster
    from charttest.controllers.prometheus import Prometheus
    from charttest.kubectl import Kubectl


@dataclass(frozen=True)
class ScalingCluster:
    """A cluster in which engines are scraped and scaled."""

    cluster: LocalCluster
    prometheus: Prometheus
    keda: str
    """The address on this machine where KEDA's operator tells its own metrics; nothing scrapes it by itself."""

    @property
    def kubectl(self) -> Kubectl:
        """As its administrator."""
        return self.cluster.kubectl

    @property
    def authority(self) -> str:
        """The certificate that Prometheus' own is signed by, in PEM."""
        return (self.cluster.directory / "pki" / "ca.crt").read_text(encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini options."""
    parser.addini(
        "scaling_node_pools", "A file of node pools for scaling tests, from the root folder.", default=""
    )
    parser.addini(
        "adapter_rules",
        "The documentation's page with the rules of prometheus-adapter, from the root folder.",
        default="",
    )


@pytest.fixture(scope="session")
def scaling_cluster(pytestconfig: pytest.Config) -> Iterator[ScalingCluster]:
    """A local cluster with Prometheus (by prometheus-operator), KEDA and prometheus-adapter, and an audit log."""
    from charttest.cluster import LocalCluster  # noqa: PLC0415 - only when a test needs it
    from charttest.controllers import keda, prometheus, prometheus_adapter, prometheus_operator  # noqa: PLC0415
    from charttest.images.engine import engine_archive  # noqa: PLC0415

    root = pytestconfig.rootpath
    cluster = LocalCluster(node_pools=root / pytestconfig.getini("scaling_node_pools"), audited=True)
    if reason := cluster.why_not_real():
        pytest.skip(reason)
    with cluster:
        engine_file = root / pytestconfig.getini("test_engine")
        cluster.load_image(engine_archive(engine_file, pytestconfig.getini("test_engine_images")))
        prometheus_operator.start(cluster)
        server = prometheus.start(cluster)
        told = keda.start(cluster)
        rules = documented_rules(root / pytestconfig.getini("adapter_rules"))
        prometheus_adapter.start(cluster, server, rules)
        yield ScalingCluster(cluster, server, told)
        server.unfollow()


def documented_rules(page: Path) -> list[dict[str, Any]]:
    """The custom rules in the YAML blocks of a page of documentation."""
    text = page.read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```yaml\n")[1:]]
    documents = [yaml.safe_load(block) for block in blocks]
    found = [
        document["rules"] for document in documents if isinstance(document, dict) and "rules" in document
    ]
    return [rule for rules in found for rule in rules.get("custom", ())]
