"""Traffic that a disruption test runs against a Service, from a pod in its namespace."""

from charttest.load.pod import LoadPod
from charttest.load.running import Load, LoadError
from charttest.load.tally import Tally

__all__ = ["Load", "LoadError", "LoadPod", "Tally"]
