"""One request: what is sent, and what makes its answer whole."""

from __future__ import annotations

import http.client
import json
import os
import uuid


class LostError(Exception):
    """A request was not answered whole; `kind` is its outcome."""

    def __init__(self, kind: str, text: str) -> None:
        """Keep the kind apart from the text."""
        super().__init__(text)
        self.kind = kind


class BrokenError(LostError):
    """A request was lost together with its connection."""


class Question:
    """A chat completion of exactly `max_tokens` tokens."""

    def __init__(
        self, model: str, *, max_tokens: int, streaming: bool, authorization: str, own_words: int = 0
    ) -> None:
        """`authorization` is the header's value; else LOAD_AUTHORIZATION of the environment.

        `own_words`: each request has so many, of which the first is its own, so that it shares no KV cache with
        another; by default all ask the same.
        """
        self.streaming = streaming
        self._own_words = own_words
        self._question = {
            "model": model,
            "messages": [{"role": "user", "content": "Count to one hundred."}],
            "max_tokens": max_tokens,
            "ignore_eos": True,
            "stream": streaming,
        }
        self._body = json.dumps(self._question)
        self._headers = {"Content-Type": "application/json"}
        if authorization := authorization or os.environ.get("LOAD_AUTHORIZATION", ""):
            self._headers["Authorization"] = authorization

    def ask(self, connection: http.client.HTTPConnection, *, reused: bool) -> None:
        """Send it and read the answer; LostError unless that is whole.

        `reused`: the connection has carried a request before.
        """
        answer: http.client.HTTPResponse | None = None
        try:
            connection.request("POST", "/v1/chat/completions", self._new_body(), self._headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            kind = _outcome(error, begun=answer is not None, reused=reused)
            raise BrokenError(kind, f"{type(error).__name__}: {error}") from error
        if answer.status != http.client.OK:
            raise LostError(f"http_{answer.status}", text[:200].decode(errors="replace"))
        check_whole(text, self.streaming)

    def _new_body(self) -> str:
        if not self._own_words:
            return self._body
        words = " ".join([uuid.uuid4().hex, *["word"] * (self._own_words - 1)])
        return json.dumps({**self._question, "messages": [{"role": "user", "content": words}]})


def _outcome(error: OSError | http.client.HTTPException, *, begun: bool, reused: bool) -> str:
    """The outcome's name; `begun` says that the answer's head has come."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if begun:
        return "truncated"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionError):
        return "lost_idle" if reused else "reset"
    return "garbled" if isinstance(error, http.client.HTTPException) else "unreachable"


def check_whole(text: bytes, streaming: bool) -> None:
    """LostError unless the answer is whole, up to its last token."""
    if streaming:
        lines = [line[6:] for line in text.splitlines() if line.startswith(b"data: ")]
        if not lines or lines[-1] != b"[DONE]":
            raise LostError("truncated", f"the stream ends without [DONE]: {text[-200:]!r}")
        lines.pop()
    else:
        lines = [text]
    try:
        choices = [choice for line in lines for choice in json.loads(line).get("choices") or []]
        reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    except (ValueError, AttributeError, TypeError) as error:
        raise LostError("truncated", f"no JSON: {error}: {text[-200:]!r}") from error
    if reasons != ["length"]:
        raise LostError("truncated", f"finish_reason is {reasons}, not length: {text[-200:]!r}")
