"""Which addresses a cluster with real nodes uses: one block 10.K.0.0/16 that nothing else on the machine has.

10.K.0.1         this machine, on its link to the switch
10.K.0.2         the switch: the way to the API server, and DNS
10.K.0.10+N      node N
10.K.16+N.0/24   the pods of node N
10.K.128.0/17    Services
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from charttest.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterable

BLOCKS = range(200, 250)
MOST_NODES = 16
API_PORT = 6443


@dataclass(frozen=True)
class Addresses:
    """The addresses of one cluster; `block` is K."""

    block: int

    @property
    def everything(self) -> str:
        """The whole block."""
        return f"10.{self.block}.0.0/16"

    @property
    def host(self) -> str:
        """This machine."""
        return f"10.{self.block}.0.1"

    @property
    def switch(self) -> str:
        """Where nodes and pods reach the API server and DNS."""
        return f"10.{self.block}.0.2"

    @property
    def services(self) -> str:
        """The range of ClusterIPs."""
        return f"10.{self.block}.128.0/17"

    @property
    def kubernetes_service(self) -> str:
        """The ClusterIP of the API server."""
        return f"10.{self.block}.128.1"

    @property
    def all_pods(self) -> str:
        """The pods of every node."""
        return f"10.{self.block}.16.0/20"

    def node(self, number: int) -> str:
        """Node `number`, from 0."""
        return f"10.{self.block}.0.{10 + number}"

    def pods(self, number: int) -> str:
        """The pods of node `number`."""
        return f"10.{self.block}.{16 + number}.0/24"

    def pod_gateway(self, number: int) -> str:
        """The address of node `number` on the bridge of its pods."""
        return f"10.{self.block}.{16 + number}.1"


def free(used: Iterable[str]) -> Addresses:
    """The first block that overlaps none of `used`, addresses and networks such as 10.0.0.0/8 or 192.0.2.1.

    A route to a wider network does not count: the block's own route is more specific.
    """
    taken = [ipaddress.ip_network(each, strict=False) for each in used if ":" not in each]
    for block in BLOCKS:
        network = ipaddress.ip_network(f"10.{block}.0.0/16")
        if not any(net.subnet_of(network) or net == network for net in taken if net.version == 4):  # type: ignore[arg-type]
            return Addresses(block)
    raise ClusterError(
        f"no free network in 10.{BLOCKS.start}.0.0/16 to 10.{BLOCKS.stop - 1}.0.0/16",
        "stop clusters that are not needed: charttest cluster status",
    )
