"""What vLLM does, as a table: the test engine is held to it in every run, the real vLLM in `make test-vllm`.

Each row is a function that asserts. OF_ONE_SERVER ask a server that stays; the others start one of their own.
"""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.vllm.engines import KEY, NAMES, PATIENCE_SECONDS, chat, eventually, rest_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.vllm.engines import Engine, Running

KEEP_ALIVE_SECONDS = 2
SILENCE_SECONDS = 4
SERVER = ("--served-model-name", *NAMES)
SERVER_ENVIRONMENT = {"VLLM_API_KEY": KEY, "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": str(KEEP_ALIVE_SECONDS)}


# Of a server that stays


def the_health_and_metrics_are_open_to_all(server: Running) -> None:
    assert server.status("/health") == 200
    status, text = server.request("/metrics")
    assert status == 200
    for metric in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"):
        assert f"\nvllm:{metric}{{" in text, metric


def every_served_name_is_listed(server: Running) -> None:
    status, text = server.request("/v1/models", key=KEY)
    assert status == 200
    assert [model["id"] for model in json.loads(text)["data"]] == list(NAMES)


def the_api_asks_for_its_key(server: Running) -> None:
    assert server.status("/v1/models") == 401
    assert server.status("/v1/models", key="wrong") == 401
    assert server.status("/v1/chat/completions", chat(1)) == 401
    assert server.status("/v1/chat/completions", chat(1), key=KEY) == 200


def a_name_that_is_not_served_is_not_found(server: Running) -> None:
    assert server.status("/v1/chat/completions", {**chat(1), "model": "third"}, key=KEY) == 404


def an_answer_has_as_many_tokens_as_asked(server: Running) -> None:
    status, text = server.request("/v1/chat/completions", chat(5), key=KEY)
    answer = json.loads(text)
    assert status == 200
    assert answer["model"] == NAMES[0]
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 5


def a_stream_ends_in_done(server: Running) -> None:
    with server.streaming(5, KEY) as stream:
        came, end = rest_of(stream, PATIENCE_SECONDS)
    assert end == "closed"
    assert b"data: [DONE]\n\n" in came
    assert b'"finish_reason":"length"' in came


def an_idle_connection_is_closed(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: engine\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        begin = time.monotonic()
        assert connection.recv(1) == b""
        assert time.monotonic() - begin > KEEP_ALIVE_SECONDS - 1


# Of one that does not start


def an_unknown_flag_ends_with_2(engine: Engine) -> None:
    assert engine.run("--no-such-flag") == 2


def a_model_that_is_not_there_ends_with_1(engine: Engine) -> None:
    assert engine.run(model=Path("/no/such/model")) == 1


def a_service_named_vllm_ends_with_1(engine: Engine) -> None:
    assert engine.run(environment={"VLLM_PORT": "tcp://10.0.0.1:8000"}) == 1


# Of one that ends


def connections_are_refused_until_it_has_loaded(engine: Engine) -> None:
    with engine.started(*SERVER) as server:
        refused = 0
        while server.refuses():
            assert server.process.poll() is None, server.told()
            refused += 1
            time.sleep(0.1)
        assert refused
        eventually("an answer", lambda: server.status("/health") == 200)


def sigterm_ends_an_idle_server_with_0(engine: Engine) -> None:
    with engine.serving(*SERVER) as server:
        server.terminate()
        assert server.process.wait(PATIENCE_SECONDS) == 0


def sigterm_without_a_timeout_breaks_streams(engine: Engine) -> None:
    with engine.serving(*SERVER, "--shutdown-timeout=0") as server:
        with server.streaming(engine.long_tokens) as stream:
            server.terminate()
            eventually("connections to be refused", server.refuses)
            came, end = rest_of(stream, SILENCE_SECONDS)
            assert b'"finish_reason":"length"' not in came
            assert broken(came, end) in engine.broken_streams, (end, came[-500:])
            if end == "silent":
                assert server.process.poll() is None, "it stays as long as its clients"
        assert server.process.wait(PATIENCE_SECONDS) == 0


def broken(came: bytes, end: str) -> str:
    """How a stream broke: silent for good, or told that it failed or was aborted."""
    if b'"finish_reason":"abort"' in came:
        return "aborted"
    return "failed" if b'data: {"error":' in came else end


def sigterm_with_a_timeout_lets_streams_end(engine: Engine) -> None:
    with engine.serving(*SERVER, "--shutdown-timeout=30") as server:
        with server.streaming(engine.long_tokens) as stream:
            server.terminate()
            eventually(
                "new work to be refused", lambda: server.status("/v1/chat/completions", chat(1)) == 500
            )
            assert server.status("/health") == 200
            came, end = rest_of(stream, PATIENCE_SECONDS)
        assert end == "closed"
        assert b'"finish_reason":"length"' in came
        assert b"data: [DONE]\n\n" in came
        assert server.process.wait(PATIENCE_SECONDS) == 0


def a_crash_of_the_engine_ends_the_server_with_0(engine: Engine) -> None:
    with engine.serving(*SERVER) as server:
        server.kill_core()
        assert server.process.wait(PATIENCE_SECONDS) == 0


OF_ONE_SERVER: tuple[Callable[[Running], None], ...] = (
    the_health_and_metrics_are_open_to_all,
    every_served_name_is_listed,
    the_api_asks_for_its_key,
    a_name_that_is_not_served_is_not_found,
    an_answer_has_as_many_tokens_as_asked,
    a_stream_ends_in_done,
    an_idle_connection_is_closed,
)
OF_ITS_OWN: tuple[Callable[[Engine], None], ...] = (
    an_unknown_flag_ends_with_2,
    a_model_that_is_not_there_ends_with_1,
    a_service_named_vllm_ends_with_1,
    connections_are_refused_until_it_has_loaded,
    sigterm_ends_an_idle_server_with_0,
    sigterm_without_a_timeout_breaks_streams,
    sigterm_with_a_timeout_lets_streams_end,
    a_crash_of_the_engine_ends_the_server_with_0,
)
