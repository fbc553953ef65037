"""The one door to a Prometheus: range queries, instant queries, and the values of a label."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from charttest.errors import AnswerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ANSWER_SECONDS = 60
Samples = list[tuple[float, float]]


@dataclass(frozen=True)
class Server:
    """A Prometheus at `url`; over HTTPS by the authorities of the file `ca`, or those of this machine."""

    url: str
    ca: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what is no address."""
        if not self.url.startswith(("http://", "https://")):
            raise UsageError(
                f"{self.url}: is no address of a Prometheus", "write http://HOST:PORT or https://…"
            )

    def over_time(
        self, query: str, start: float, end: float, step: float
    ) -> list[tuple[dict[str, str], Samples]]:
        """The series of a query, each with its labels and its values at every step where it has one."""
        asked = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        found = self._ask("query_range", asked)["result"]
        return [(series["metric"], _samples(series["values"])) for series in found]

    def at(self, query: str, when: float) -> list[tuple[dict[str, str], Samples]]:
        """The same with the one value at a time."""
        found = self._ask("query", {"query": query, "time": f"{when:.3f}"})
        if found["resultType"] == "scalar":
            return [({}, _samples([found["result"]]))]
        return [(series["metric"], _samples([series["value"]])) for series in found["result"]]

    def label_values(self, series: str, label: str, start: float, end: float) -> list[str]:
        """The values that a label of these series had in this time."""
        asked = {"match[]": series, "start": f"{start:.3f}", "end": f"{end:.3f}"}
        found: list[str] = self._ask(f"label/{quote(label)}/values?{urlencode(asked)}", None)
        return found

    def _ask(self, path: str, form: Mapping[str, str] | None) -> Any:
        data = None if form is None else urlencode(form).encode()
        request = urllib.request.Request(f"{self.url.rstrip('/')}/api/v1/{path}", data)  # noqa: S310 - see above
        # It is on this machine or in its cluster: no proxy leads there.
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._trust()))
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=ANSWER_SECONDS) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            if (reason := _reason(error)) is None:
                raise self._no_prometheus(f"HTTP {error.code}") from error
            raise AnswerError(
                f"Prometheus refuses it: {reason}", "mend the query, or ask for a shorter time"
            ) from error
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            raise self._no_prometheus(str(error)) from error

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
        except OSError as error:
            raise UsageError(
                f"{self.ca}: holds no certificate ({error})", "give the authority's in PEM"
            ) from error

    def _no_prometheus(self, why: str) -> AnswerError:
        return AnswerError(
            f"{self.url}: does not answer as a Prometheus ({why})",
            "is it up, and is the address, with the authority of its certificate, right?",
        )


def _samples(values: list[list[Any]]) -> Samples:
    return [(float(when), float(value)) for when, value in values]


def _reason(error: urllib.error.HTTPError) -> str | None:
    """What Prometheus says; None where something else answers."""
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return None
