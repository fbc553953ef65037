"""From what one replica holds to how many replicas a load needs."""

from __future__ import annotations

import math


def requests_per_replica(max_concurrency: float, max_num_seqs: int) -> int:
    """Requests of full length that one replica runs at once: KV cache and batch rows both bound it."""
    return min(int(max_concurrency), max_num_seqs)


def replicas_for(concurrency: int, per_replica: int) -> int:
    """Replicas that hold `concurrency` requests at once."""
    return math.ceil(concurrency / per_replica)
