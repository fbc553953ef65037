"""What to send, where to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CREDENTIALS = Path("/var/run/secrets/kubernetes.io/serviceaccount")
STREAMS = ("half", "all", "none")


@dataclass(frozen=True)
class ClosedOptions:
    """Clients that each wait for an answer before the next request. ValueError for a choice that does not exist."""

    target: str  # "service": HOST:PORT; "endpoints": the name of the Service
    model: str
    via: str = "service"  # or "endpoints": follow the Service's EndpointSlices, as a gateway or mesh does
    namespace: str = ""  # "endpoints": of the Service
    port: str = ""  # "endpoints": the name of the Service's port, when it has several
    delay_seconds: float = 0.0  # "endpoints": by how much each change of them is seen late
    clients: int = 20  # 0: none, only follow the endpoints
    stream: str = "half"  # "all", "none"
    keep_alive: bool = False  # one connection per client as long as it works, else a new one per request
    pause_seconds: float = 0.0  # between two requests of a client
    max_tokens: int = 40
    timeout_seconds: float = 30.0  # without a byte
    ramp_seconds: float = 2.0  # the clients begin spread over it, so that they are not in step
    authorization: str = ""  # the header's value; else LOAD_AUTHORIZATION of the environment
    api_url: str = ""  # of the API server; else the pod's own
    token_file: str = str(CREDENTIALS / "token")
    ca_file: str = str(CREDENTIALS / "ca.crt")

    def __post_init__(self) -> None:
        """Refuse what would be ignored."""
        _check_choice("via", self.via, ("service", "endpoints"))
        _check_choice("stream", self.stream, STREAMS)
        if self.via == "service":
            address(self.target)
        if self.via == "service" and self.delay_seconds:
            raise ValueError("delay_seconds: only via=endpoints sees changes; leave it out for via=service")


@dataclass(frozen=True)
class OpenOptions:
    """Requests at given times, whatever becomes of the others. ValueError for a target without a port."""

    target: str  # HOST:PORT
    model: str
    stream: str = "half"  # "all", "none"
    max_tokens: int = 40
    timeout_seconds: float = 30.0  # without a byte
    most_in_flight: int = 2000  # each has a thread and a connection
    own_words: int = 0  # of each request, the first its own; 0: all ask the same
    authorization: str = ""  # the header's value; else LOAD_AUTHORIZATION of the environment

    def __post_init__(self) -> None:
        """Refuse what would be ignored."""
        _check_choice("stream", self.stream, STREAMS)
        address(self.target)


def streams(stream: str, number: int) -> bool:
    """Whether the client, or the request, of this number streams."""
    return stream == "all" or (stream == "half" and number % 2 == 0)


def address(target: str) -> tuple[str, int]:
    """The host and port of HOST:PORT, also of [IPv6]:PORT; ValueError for another text."""
    host, _, port = target.rpartition(":")
    if not port.isdecimal():
        raise ValueError(f"target={target}: must be HOST:PORT for via=service")
    return host.strip("[]"), int(port)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value}: must be one of {', '.join(choices)}")
