"""Runs a program to its end, through the moments in which the kernel cannot start one."""

from __future__ import annotations

import errno
import subprocess
import time
from typing import TYPE_CHECKING

from charttest.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# execve(2): what the machine lacks just now, not what is wrong with the program.
PASSING = {errno.EAGAIN, errno.ENOMEM, errno.ETXTBSY}
PATIENCE_SECONDS = 10


def run(
    command: Sequence[str],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """What `command` printed and its exit code; it reads `stdin`, or nothing. StartError if it does not start."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return subprocess.run(
                command,
                input=stdin or "",
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                env=env,
                timeout=timeout,
            )
        except OSError as error:
            if error.errno not in PASSING or time.monotonic() > deadline:
                name = errno.errorcode.get(error.errno or 0, "?")
                raise StartError(
                    f"{command[0]}: cannot be started ({name}: {error.strerror})",
                    "is the machine out of memory or processes? `charttest parts` names every component",
                ) from error
            time.sleep(0.1)
