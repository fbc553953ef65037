"""Traffic on a Service, from a pod in its namespace: a closed loop counts losses, an open loop drives scalers."""

from charttest.load.offered import OpenLoad
from charttest.load.plot import write_plot
from charttest.load.pod import LoadPod
from charttest.load.recorder import Recorder
from charttest.load.running import Load, LoadError
from charttest.load.tally import Tally
from charttest.load.timeline import Timeline

__all__ = ["Load", "LoadError", "LoadPod", "OpenLoad", "Recorder", "Tally", "Timeline", "write_plot"]
