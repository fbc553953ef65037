"""The traffic of a scaling test: requests at given times, on a connection each, whatever becomes of the others."""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from charttest.load.traffic.asking import LostError, Question
from charttest.load.traffic.options import OpenOptions, address, streams
from charttest.load.traffic.records import MOST_FAILURES

if TYPE_CHECKING:
    from collections.abc import Sequence

Say = Callable[[dict[str, object]], None]
Entry = tuple[float, float | None, float, str]
"""When it was due, began and ended, in seconds since the beginning, and its outcome; an unsent one did not begin."""


class Traffic:
    """Sends requests without waiting for answers, each in a thread of its own."""

    def __init__(self, options: OpenOptions) -> None:
        """Time counts from here."""
        self._options = options
        self._address = address(options.target)
        self._questions = [
            Question(
                options.model,
                max_tokens=options.max_tokens,
                streaming=streams(options.stream, number),
                authorization=options.authorization,
                own_words=options.own_words,
            )
            for number in range(2)
        ]
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._failures: list[dict[str, object]] = []
        self._running: set[threading.Thread] = set()
        self._begin = time.monotonic()

    def send(self, arrivals: Sequence[float], stop: threading.Event) -> None:
        """Send a request at each of these times, until `stop`; returns when every answer has come."""
        for number, due in enumerate(arrivals):
            if stop.wait(max(0.0, due - self._offset())):
                break
            if len(self._running) < self._options.most_in_flight:
                thread = threading.Thread(
                    target=self._one, args=(due, self._questions[number % 2]), daemon=True
                )
                with self._lock:
                    self._running.add(thread)
                thread.start()
            else:
                text = f"{self._options.most_in_flight} requests are on their way"
                self._count(due, None, self._questions[number % 2], LostError("unsent", text))
        with self._lock:
            running = list(self._running)
        for thread in running:
            thread.join()

    def report(self) -> dict[str, object]:
        """Every request in the order of its end, and the text of the first failures."""
        return {"requests": self._entries, "failures": self._failures}

    def _one(self, due: float, question: Question) -> None:
        began = self._offset()
        connection = http.client.HTTPConnection(*self._address, timeout=self._options.timeout_seconds)
        lost: LostError | None = None
        with contextlib.closing(connection):
            try:
                question.ask(connection, reused=False)
            except LostError as error:
                lost = error
        self._count(due, began, question, lost)
        with self._lock:
            self._running.discard(threading.current_thread())

    def _count(self, due: float, began: float | None, question: Question, lost: LostError | None) -> None:
        ended = self._offset()
        with self._lock:
            self._entries.append((due, began, ended, lost.kind if lost else "ok"))
            if lost and len(self._failures) < MOST_FAILURES:
                self._failures.append(
                    {
                        "at": ended,
                        "after": round(ended - due, 3),
                        "streaming": question.streaming,
                        "outcome": lost.kind,
                        "text": f"{self._options.target}: {lost}",
                    }
                )

    def _offset(self) -> float:
        return round(time.monotonic() - self._begin, 4)


def run(options: OpenOptions, say: Say) -> None:
    """Send at the times of stdin's first line, a JSON list; tell the report once a second line asks for it.

    "end" lets the rest be sent before, "stop" or the end of stdin does not.
    """
    arrivals: list[float] = json.loads(sys.stdin.readline())
    stop, asked = threading.Event(), threading.Event()
    threading.Thread(target=_listen, args=(stop, asked), daemon=True).start()
    traffic = Traffic(options)
    say({"started": True})
    traffic.send(arrivals, stop)
    asked.wait()
    say(traffic.report())


def _listen(stop: threading.Event, asked: threading.Event) -> None:
    if sys.stdin.readline() != "end\n":
        stop.set()
    asked.set()
