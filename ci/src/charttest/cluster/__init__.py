"""A local Kubernetes control plane with simulated GPU nodes, as plain processes on loopback."""

from charttest.cluster.local import LocalCluster
from charttest.cluster.nodepools import NodePool, read_node_pools
from charttest.cluster.state import PartStatus, running_clusters

__all__ = ["LocalCluster", "NodePool", "PartStatus", "read_node_pools", "running_clusters"]
