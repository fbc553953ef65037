"""A real control plane with simulated GPU nodes, as plain processes on loopback."""

from __future__ import annotations

from charttest.cluster.local import LocalCluster
from charttest.cluster.nodepools import NodePool, load_node_pools

__all__ = ["LocalCluster", "NodePool", "load_node_pools"]
