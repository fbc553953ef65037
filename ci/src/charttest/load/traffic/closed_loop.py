"""The traffic of a disruption test: clients in a closed loop that count every request not answered whole."""

from __future__ import annotations

import http.client
import select
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from charttest.load.traffic.asking import BrokenError, LostError, Question
from charttest.load.traffic.endpoints import Address, Endpoints
from charttest.load.traffic.options import ClosedOptions, address, streams
from charttest.load.traffic.records import Records

if TYPE_CHECKING:
    import socket

Gone = Callable[[Address], bool]
Say = Callable[[dict[str, object]], None]

PAUSE_SECONDS = 0.1  # of a client whose request was lost


class Client:
    """One client: a request, its outcome, the next request."""

    def __init__(
        self, number: int, options: ClosedOptions, pick: Callable[[], Address], records: Records, gone: Gone
    ) -> None:
        """`pick` names the address of the next connection; `gone` says that an address must be left."""
        self._number = number
        self._options = options
        self._pick = pick
        self._gone = gone
        self._records = records
        self._connection: http.client.HTTPConnection | None = None
        self._address: Address | None = None
        self._carried = False  # a request on this connection before
        self._question = Question(
            options.model,
            max_tokens=options.max_tokens,
            streaming=streams(options.stream, number),
            authorization=options.authorization,
        )

    def run(self, stop: threading.Event) -> None:
        """Ask until `stop`; a request that runs then is finished."""
        stop.wait(self._number * self._options.ramp_seconds / self._options.clients)
        while not stop.is_set():
            begin = time.monotonic()
            self._address = self._address if self._connection else None
            try:
                self._ask()
            except LostError as error:
                where = "{}:{}".format(*self._address) if self._address else self._options.target
                self._records.lost(self._question.streaming, time.monotonic() - begin, where, error)
                stop.wait(PAUSE_SECONDS)
            else:
                self._records.ok(self._number, self._question.streaming, time.monotonic() - begin)
            if not self._options.keep_alive:
                self._close()
            stop.wait(self._options.pause_seconds)
        self._close()

    def _ask(self) -> None:
        connection = self._open()
        reused, self._carried = self._carried, True
        try:
            self._question.ask(connection, reused=reused)
        except BrokenError:
            self._close()
            raise

    def _open(self) -> http.client.HTTPConnection:
        """The connection for the next request: the one that works, else a new one."""
        if self._connection is not None and self._address is not None:
            if self._gone(self._address):
                self._close()
            elif _ended(self._connection.sock):
                self._records.reopened()
                self._close()
        if self._connection is None:
            self._address = self._pick()
            timeout = self._options.timeout_seconds
            self._connection = http.client.HTTPConnection(*self._address, timeout=timeout)
            self._carried = False
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _ended(connected: socket.socket | None) -> bool:
    """Whether the server has ended an idle connection: told us in its last answer, or closed it since."""
    return connected is None or bool(select.select([connected], [], [], 0)[0])


def run(options: ClosedOptions, say: Say) -> None:
    """Send until stdin ends, then tell the report."""
    stop = threading.Event()
    records = Records(options.clients, started=lambda: say({"started": True}))
    endpoints = Endpoints(options, records.begin) if options.via == "endpoints" else None
    if endpoints is None:
        only = address(options.target)
        clients = [
            Client(number, options, lambda: only, records, lambda _: False)
            for number in range(options.clients)
        ]
    else:
        followed = endpoints
        # As a gateway does: a connection to an endpoint that is no longer ready takes no more requests.
        clients = [
            Client(number, options, followed.pick, records, lambda used: used not in followed.ready)
            for number in range(options.clients)
        ]
    threads = [threading.Thread(target=client.run, args=(stop,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    if not threads:
        say({"started": True})
    while sys.stdin.readline() not in ("", "stop\n"):
        pass
    stop.set()
    for thread in threads:
        thread.join()
    report = records.report()
    if endpoints is not None:
        endpoints.close()
        report |= {"changes": endpoints.changes, "watch_errors": endpoints.errors}
    say(report)
