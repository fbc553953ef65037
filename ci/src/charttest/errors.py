"""What charttest raises.

CharttestError        exit code 2: the run itself did not work
├── UsageError        an input of the command or the fixture cannot be used
├── PartError         a component, or the Go toolchain, cannot be found or built
├── ClusterError      the local control plane cannot be started or reached
├── StartError        a program that is there cannot be started
├── RenderError       a chart cannot be rendered
├── AnswerError       a Prometheus cannot be reached, or refuses what it is asked
└── FindingError      exit code 1: the run worked and found something wrong in a chart
"""

from __future__ import annotations


class CharttestError(Exception):
    """Base of all; `message` says which rule which input broke, `fix` what to do next."""

    exit_code = 2

    def __init__(self, message: str, fix: str) -> None:
        """Say what is wrong, and what to do next."""
        super().__init__(f"{message}; {fix}")
        self.message = message
        self.fix = fix


class UsageError(CharttestError):
    """An input cannot be used: change it as `fix` says."""


class PartError(CharttestError):
    """A component, or the Go toolchain, cannot be found or built."""


class ClusterError(CharttestError):
    """The local control plane cannot be started or reached."""


class StartError(CharttestError):
    """A program that is there cannot be started."""


class RenderError(CharttestError):
    """A chart cannot be rendered."""


class AnswerError(CharttestError):
    """A Prometheus cannot be reached, or refuses what it is asked."""


class FindingError(CharttestError):
    """The run worked and found something wrong in a chart."""

    exit_code = 1
