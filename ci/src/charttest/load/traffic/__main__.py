"""The process in the pod: which loop, and with what options."""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading

from charttest.load.traffic import closed_loop, open_loop
from charttest.load.traffic.asking import LostError
from charttest.load.traffic.options import ClosedOptions, OpenOptions


def _say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _die(broken: threading.ExceptHookArgs) -> None:
    """A thread that is broken ends all: without it, fewer requests would look like fewer losses."""
    sys.excepthook(broken.exc_type, broken.exc_value or broken.exc_type(), broken.exc_traceback)
    os._exit(1)


def main(loop: str, options: str) -> None:
    """Run this loop with these options, as JSON; ends with the reason when they, or the API, refuse."""
    threading.excepthook = _die
    try:
        if loop == "open":
            open_loop.run(OpenOptions(**json.loads(options)), _say)
        else:
            closed_loop.run(ClosedOptions(**json.loads(options)), _say)
    except (TypeError, ValueError, OSError, http.client.HTTPException, LostError) as error:
        sys.exit(f"load: {type(error).__name__}: {error}")
