"""The test engine as a real process, with the real simulator behind it: what it reads, how it starts, serves and ends."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from charttest import parts
from charttest.images.engine import flag_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., "Engine"]

NO_MODEL = "OSError: /no/model is not a local folder\n"
KEPT_SECONDS = 60
SILENCE_SECONDS = 0.5


class Engine:
    """A running test engine on loopback."""

    def __init__(self, command: list[str], env: dict[str, str], port: int, log: Path) -> None:
        self.port, self.log = port, log
        with log.open("w") as file:
            self.process = subprocess.Popen(command, env=env, stderr=file)
        self.streams: list[socket.socket] = []

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=KEPT_SECONDS)

    def ask(self, method: str, path: str, body: object = None, key: str = "") -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with closing(self.connect()) as connection:
            connection.request(method, path, body=json.dumps(body) if body else None, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def ready(self) -> Engine:
        deadline = time.monotonic() + KEPT_SECONDS
        while True:
            try:
                assert self.ask("GET", "/health") == (200, "")
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.said()
                assert time.monotonic() < deadline, "never ready"
                time.sleep(0.02)
            else:
                return self

    def stream(self, tokens: int) -> socket.socket:
        """Ask for a streamed answer, and return the connection after its first piece."""
        body = json.dumps(
            {"model": "m", "prompt": "a", "max_tokens": tokens, "ignore_eos": True, "stream": True}
        )
        head = f"POST /v1/completions HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
        connection = socket.create_connection(("127.0.0.1", self.port), KEPT_SECONDS)
        self.streams.append(connection)
        connection.sendall(f"{head}{body}".encode())
        begun = b""
        while b"data: " not in begun:
            begun += received(connection)
        assert begun.startswith(b"HTTP/1.1 200 OK")
        assert b"[DONE]" not in begun
        return connection

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        return self.process.wait(KEPT_SECONDS)

    def said(self) -> str:
        return self.log.read_text()


def children(parent: int) -> list[int]:
    """The processes that `parent` has started or was given, also those that have ended and were not taken in."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = stat.read_text().partition(" (")
        except OSError:  # It ended meanwhile.
            continue
        if int(rest.rpartition(") ")[2].split()[1]) == parent:
            found.append(int(pid))
    return found


def received(connection: socket.socket) -> bytes:
    """What comes next; it must not be the end."""
    content = connection.recv(65536)
    assert content, "closed"
    return content


def to_the_end(connection: socket.socket) -> bytes:
    """What comes until the answer is complete."""
    content = b""
    while not content.endswith(b"0\r\n\r\n"):  # the last chunk
        content += received(connection)
    return content


def goes_silent(connection: socket.socket) -> bool:
    """Whether nothing comes any more before the answer is complete, and the connection is not closed."""
    connection.settimeout(SILENCE_SECONDS)
    content = b""
    while True:
        try:
            content += received(connection)
        except TimeoutError:
            return b"[DONE]" not in content


def eventually(what: str, true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + KEPT_SECONDS
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """The engine and what lies beside it in the image, in one folder."""
    folder = tmp_path_factory.mktemp("engine")
    for name, path in parts.find_all(("test-engine", "llm-d-inference-sim")).items():
        shutil.copy(path, folder / {"test-engine": "vllm"}.get(name, name))
    (folder / "flags.json").write_bytes(
        flag_table(pytestconfig.rootpath / pytestconfig.getini("test_engine"))
    )
    (folder / "home").mkdir()
    return folder


def environment(folder: Path, **env: str) -> dict[str, str]:
    return {"HOME": str(folder / "home"), "TEST_ENGINE_FLAGS": str(folder / "flags.json"), **env}


@pytest.fixture
def refused(installed: Path) -> Callable[..., tuple[int, str]]:
    """Runs the engine, which must end by itself, and returns its exit code and the last line of its errors."""

    def run(*arguments: str, before: tuple[str, ...] = (), **env: str) -> tuple[int, str]:
        done = subprocess.run(
            [*before, str(installed / "vllm"), *arguments],
            env=environment(installed, **env),
            capture_output=True,
            text=True,
            check=False,
            timeout=KEPT_SECONDS,
        )
        assert done.stdout == ""
        return done.returncode, done.stderr.splitlines(keepends=True)[-1]

    return run


@pytest.fixture
def start(installed: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts engines on loopback, and kills what is left of them."""
    running: list[Engine] = []

    def run(*arguments: str, before: tuple[str, ...] = (), **env: str) -> Engine:
        port = free_port()
        command = [*before, str(installed / "vllm"), "serve", "m", "--host=127.0.0.1", f"--port={port}"]
        log = tmp_path / f"{len(running)}.log"
        running.append(Engine([*command, *arguments], environment(installed, **env), port, log))
        return running[-1]

    yield run
    for engine in running:
        for connection in engine.streams:
            connection.close()
        engine.process.kill()
        engine.process.wait()


# What it reads


def spellings(folder: Path) -> dict[str, list[str]]:
    """Each way to write a command line, with every flag of the table that can be written so."""
    table: dict[str, list[str]] = json.loads((folder / "flags.json").read_text())
    switches, lists, documents = table["switches"], table["lists"], table["json"]
    values = [*table["values"], *table["repeated"]]
    return {
        "on": [f"--{name}" for name in [*switches, *table["trueOnly"]]],
        "off": [f"--no-{name}" for name in switches],
        "underscores": [f"--{name.replace('-', '_')}" for name in switches],
        "with =": [
            f"--{name}={value}"
            for names, value in ((values, "1"), (lists, "a=b"), (documents, "{}"))
            for name in names
        ],
        "apart": [word for name in [*values, *documents] for word in (f"--{name}", "1")],
        "several": [word for name in lists for word in (f"--{name}", "a=b", "c=d")],
        "dotted": [word for name in documents for word in (f"--{name}.a.b", "x")],
        "opposite": [
            f"--{pair[1]}{name.removeprefix(pair[0])}"
            for name in switches
            for pair in (("enable-", "disable-"), ("disable-", "enable-"))
            if name.startswith(pair[0])
        ],
    }


WAYS = ("on", "off", "underscores", "with =", "apart", "several", "dotted", "opposite")


@pytest.mark.parametrize("way", WAYS)
def test_every_flag_of_the_chart_s_table_is_accepted(
    installed: Path, refused: Callable[..., tuple[int, str]], way: str
) -> None:
    written = spellings(installed)
    assert tuple(written) == WAYS
    assert len(written[way]) > 10
    # The model that is not there is refused last, once every flag has been read.
    ended = refused("serve", "/no/model", *written[way], "--host=127.0.0.1", f"--port={free_port()}")
    assert ended == (1, NO_MODEL)


def test_the_table_has_every_flag_once(installed: Path) -> None:
    names = [name for names in json.loads((installed / "flags.json").read_text()).values() for name in names]
    assert len(names) == len(set(names)) > 300


@pytest.mark.parametrize(
    "arguments",
    [
        ("-tp", "2", "-q=awq", "-cc.mode", "3", "-O3"),
        ("--served-model-name", "a", "b", "-tp", "2"),
        ("--max-model-len", "-1"),
        ("--max-model-len", "8k"),
        ("--max-model-len=auto",),
        ("--tensor-par=2",),
        ("--device-memory-utilization=0.9",),
        ("--lora-modules", "a=/x", '{"name": "b", "path": "/y", "base_model_name": "m"}'),
    ],
)
def test_the_other_spellings_of_vllm_are_accepted(
    refused: Callable[..., tuple[int, str]], arguments: tuple[str, ...]
) -> None:
    ended = refused("serve", "/no/model", *arguments, "--host=127.0.0.1", f"--port={free_port()}")
    assert ended == (1, NO_MODEL)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("m", "--swap-space", "4"), "unrecognized arguments: --swap-space 4"),
        (("m", "--speculative-model=x", "--nope"), "unrecognized arguments: --speculative-model=x --nope"),
        (("m", "-x"), "unrecognized arguments: -x"),
        (("m", "other"), "unrecognized arguments: other"),
        (("m", "--port.key", "1"), "unrecognized arguments: --port.key 1"),
        (("m", "--port"), "argument --port: expected one argument"),
        (("m", "--port", "--enforce-eager"), "argument --port: expected one argument"),
        (("m", "--served-model-name", "-tp", "2"), "argument --served-model-name: expected at least one"),
        (("m", "--port", "http"), "argument --port: invalid int value: 'http'"),
        (("m", "--port=auto"), "argument --port: invalid int value: 'auto'"),
        (("m", "--max-num-seqs=1e+06"), "argument --max-num-seqs: invalid int value: '1e+06'"),
        (("m", "--max-model-len=1.5"), "argument --max-model-len: invalid human_readable_int_or_auto value"),
        (("m", "--enforce-eager=false"), "argument --enforce-eager: ignored explicit argument 'false'"),
        (
            ("m", "--device", "cuda"),
            "ambiguous option: --device could match --device-ids, --device-memory-utilization",
        ),
        (("m", "--max-num-q=1"), "ambiguous option: --max-num-q could match --max-num-queued-reqs, --max"),
        (("m", "--lora-modules", "a"), "Invalid item for --lora-modules: a is neither name=path nor JSON"),
        (("m", "--lora-modules", '{"name": 1}'), "Invalid JSON format for --lora-modules"),
        (("--enforce-eager",), "the model is missing"),
    ],
)
def test_what_vllm_s_parser_refuses_ends_with_exit_code_2(
    refused: Callable[..., tuple[int, str]], arguments: tuple[str, ...], message: str
) -> None:
    place = ("--host=127.0.0.1", f"--port={free_port()}")  # should it start after all
    code, told = refused("serve", *place, *arguments)
    assert (code, told.startswith(f"vllm serve: error: {message}")) == (2, True), told


# How it starts


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"VLLM_PORT": "tcp://10.0.0.1:8000"}, "ValueError: VLLM_PORT 'tcp://10.0.0.1:8000' appears to be a"),
        ({"VLLM_CACHE_ROOT": "/proc/version/cache"}, "OSError: [Errno 20] Not a directory: '/proc/version'"),
        ({"TEST_ENGINE_LOAD_SECONDS": "soon"}, "ValueError: TEST_ENGINE_LOAD_SECONDS is 'soon': a number"),
        (
            {"VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "-1"},
            "ValueError: VLLM_HTTP_TIMEOUT_KEEP_ALIVE is '-1': a number",
        ),
        ({"TEST_ENGINE_TIME_TO_FIRST_TOKEN": "now"}, "RuntimeError: Engine core initialization failed"),
    ],
)
def test_an_environment_that_it_cannot_use_ends_it_with_exit_code_1(
    refused: Callable[..., tuple[int, str]], env: dict[str, str], message: str
) -> None:
    code, told = refused("serve", "m", "--host=127.0.0.1", f"--port={free_port()}", **env)
    assert (code, told.startswith(message)) == (1, True), told


def test_a_cache_that_it_may_not_write_ends_it_with_the_path(
    refused: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir(mode=0o500)
    # Root writes everywhere, unless it gives that right away.
    before = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    skip_without(before)
    code, told = refused(
        "serve", "m", "--host=127.0.0.1", f"--port={free_port()}", before=before, HOME=str(tmp_path / "home")
    )
    assert told == f"PermissionError: [Errno 13] Permission denied: '{tmp_path}/home/.cache'\n"
    assert code == 1


def skip_without(before: tuple[str, ...]) -> None:
    """Skip, with the reason, where programs cannot be started through this one."""
    try:
        subprocess.run([*before, "true"], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip(f"no {before[0]} on PATH")
    except subprocess.CalledProcessError as error:
        pytest.skip(error.stderr.strip())


def with_shared_memory(mebibytes: int) -> tuple[str, ...]:
    """What starts a program with its own /dev/shm of this size."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount another /dev/shm")
    script = f'mount -t tmpfs -o size={mebibytes}m none /dev/shm && exec "$@"'
    command = ("unshare", "--mount", "sh", "-c", script, "sh")
    skip_without(command)
    return command


@pytest.mark.parametrize("flag", ["--tensor-parallel-size=2", "--pipeline-parallel-size=2"])
def test_more_than_one_worker_needs_shared_memory_for_a_ring_buffer(
    refused: Callable[..., tuple[int, str]], flag: str
) -> None:
    place = ("--host=127.0.0.1", f"--port={free_port()}")
    assert refused("serve", "m", flag, *place, before=with_shared_memory(64)) == (
        1,
        "RuntimeError: Insufficient space in /dev/shm for shared-memory allocation:"
        " 160 MiB required, 64 MiB free\n",
    )


def test_its_port_is_taken_but_refuses_connections_until_it_has_loaded(start: Start) -> None:
    engine = start(TEST_ENGINE_LOAD_SECONDS="1")

    def taken() -> bool:
        with closing(socket.socket()) as second:
            try:
                second.bind(("127.0.0.1", engine.port))
            except OSError:
                return True
        return False

    eventually("the port to be taken", taken)
    with pytest.raises(ConnectionRefusedError):
        engine.ask("GET", "/health")
    engine.ready()


@pytest.mark.parametrize("env", [{"TEST_ENGINE_LOAD_SECONDS": "60"}, {"TEST_ENGINE_HANG_AT_START": "1"}])
def test_sigterm_while_it_loads_ends_it_with_exit_code_143(start: Start, env: dict[str, str]) -> None:
    engine = start(**env)
    eventually("the load", lambda: "Loading m" in engine.said())
    with pytest.raises(ConnectionRefusedError):
        engine.ask("GET", "/health")
    engine.terminate()
    assert engine.ended() == 143


# What it serves


def test_it_serves_its_names_and_adapters_and_counts_under_the_first_name(start: Start) -> None:
    engine = start(
        "--served-model-name", "first", "second", "--enable-lora", "--lora-modules", "tone=/x"
    ).ready()
    status, models = engine.ask("GET", "/v1/models")
    assert status == 200
    assert [model["id"] for model in json.loads(models)["data"]] == ["first", "second", "tone"]
    for name in ("second", "tone"):
        status, body = engine.ask(
            "POST",
            "/v1/chat/completions",
            {"model": name, "max_tokens": 3, "messages": [{"role": "user", "content": "a"}]},
        )
        assert status == 200, body
        assert json.loads(body)["choices"][0]["message"]["content"]
    assert engine.ask("POST", "/v1/completions", {"model": "third", "prompt": "a"})[0] == 404
    status, metrics = engine.ask("GET", "/metrics")
    assert status == 200
    for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"):
        assert f'vllm:{name}{{model_name="first"}}' in metrics


def test_an_answer_is_streamed_as_it_is_made(start: Start) -> None:
    engine = start(TEST_ENGINE_INTER_TOKEN_LATENCY="100ms").ready()
    begun = engine.stream(tokens=5)  # which returns before the last piece
    assert b"data: [DONE]" in to_the_end(begun)


def test_a_key_guards_v1_only(start: Start) -> None:
    engine = start(VLLM_API_KEY="right").ready()
    found = {
        (path, key): engine.ask("GET", path, key=key)[0]
        for path in ("/v1/models", "/health", "/metrics")
        for key in ("", "wrong", "right")
    }
    assert [key for key, status in found.items() if status != 200] == [
        ("/v1/models", ""),
        ("/v1/models", "wrong"),
    ]
    assert engine.ask("GET", "/v1/models") == (401, '{"error": "Unauthorized"}')
    of_flag = start("--api-key", "one", "two", VLLM_API_KEY="right").ready()
    assert [of_flag.ask("GET", "/v1/models", key=key)[0] for key in ("one", "two", "right")] == [
        200,
        200,
        401,
    ]


def test_a_kept_connection_is_closed_once_nothing_comes_on_it(start: Start) -> None:
    engine = start(VLLM_HTTP_TIMEOUT_KEEP_ALIVE="1").ready()
    with closing(engine.connect()) as connection:
        for _ in range(2):
            connection.request("GET", "/health")
            connection.getresponse().read()
        assert connection.sock.recv(1) == b""


# How it ends: the SIGTERM table of a running vLLM


def test_without_a_timeout_an_idle_engine_ends_at_once(start: Start) -> None:
    engine = start().ready()
    with closing(engine.connect()) as kept:
        kept.request("GET", "/health")
        kept.getresponse().read()
        engine.terminate()
        assert engine.ended() == 0


def test_without_a_timeout_running_requests_hang_until_their_clients_go(start: Start) -> None:
    engine = start().ready()
    streaming = engine.stream(tokens=1000)
    with closing(engine.connect()) as waiting:
        request = {"model": "m", "prompt": "a", "max_tokens": 1000, "ignore_eos": True}
        waiting.request("POST", "/v1/completions", json.dumps(request))
        running = 'vllm:num_requests_running{model_name="m"} 2\n'
        eventually("both to run", lambda: running in engine.ask("GET", "/metrics")[1])
        engine.terminate()
        eventually("new connections to be refused", lambda: refuses(engine))
        assert goes_silent(streaming)
        waiting.sock.settimeout(SILENCE_SECONDS)
        with pytest.raises(TimeoutError):
            waiting.getresponse()
        assert engine.process.poll() is None
        streaming.close()
        with pytest.raises(subprocess.TimeoutExpired):
            engine.process.wait(SILENCE_SECONDS)
    assert engine.ended() == 0


def refuses(engine: Engine) -> bool:
    try:
        engine.ask("GET", "/health")
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False


def test_within_its_timeout_running_requests_complete_and_new_ones_fail(start: Start) -> None:
    engine = start("--shutdown-timeout=30").ready()
    running = engine.stream(tokens=150)
    engine.terminate()
    request = {"model": "m", "prompt": "a", "max_tokens": 1}
    eventually("a drain", lambda: engine.ask("POST", "/v1/completions", request)[0] == 500)
    _, told = engine.ask("POST", "/v1/completions", request)
    assert json.loads(told)["error"]["message"] == "cannot schedule new futures after shutdown"
    assert engine.ask("GET", "/health")[0] == 200
    assert b"data: [DONE]" in to_the_end(running)
    assert engine.ended() == 0


def test_what_runs_longer_than_the_timeout_hangs_until_its_client_goes(start: Start) -> None:
    engine = start("--shutdown-timeout=6").ready()
    long, short = engine.stream(tokens=1000), engine.stream(tokens=20)
    engine.terminate()
    assert b"data: [DONE]" in to_the_end(short)
    assert goes_silent(long)
    assert engine.process.poll() is None
    long.close()
    assert engine.ended() == 0


# How it fails on request


def test_a_crash_ends_it_with_exit_code_0_and_takes_the_simulator_along(start: Start) -> None:
    engine = start().ready()
    (simulator,) = children(engine.process.pid)
    with pytest.raises(http.client.RemoteDisconnected):
        engine.ask("POST", "/test-engine/crash")
    assert engine.ended() == 0
    assert "Engine core died: on request" in engine.said()
    eventually("the simulator to be gone", lambda: not Path(f"/proc/{simulator}").exists())


def test_a_simulator_that_dies_ends_it_as_a_crash(start: Start) -> None:
    engine = start().ready()
    (simulator,) = children(engine.process.pid)
    os.kill(simulator, signal.SIGKILL)
    assert engine.ended() == 0
    assert "Engine core died: the simulator has ended" in engine.said()


def test_a_hang_answers_nothing_any_more_and_takes_connections(start: Start) -> None:
    engine = start().ready()
    streaming = engine.stream(tokens=1000)
    assert engine.ask("POST", "/test-engine/hang")[0] == 200
    assert goes_silent(streaming)
    for method, path in (("GET", "/health"), ("GET", "/metrics"), ("POST", "/v1/completions")):
        with closing(engine.connect()) as connection:
            connection.request(method, path, "{}")
            connection.sock.settimeout(SILENCE_SECONDS)
            with pytest.raises(TimeoutError):
                connection.getresponse()
    assert engine.process.poll() is None
    streaming.close()
    engine.terminate()
    assert engine.ended() == 0


def memory(engine: Engine, kind: str) -> int:
    """Bytes of the process, by the name of a line of its status."""
    status = Path(f"/proc/{engine.process.pid}/status").read_text()
    line: Any = next(line for line in status.splitlines() if line.startswith(f"{kind}:"))
    return int(line.split()[1]) * 1024


def test_memory_is_taken_and_kept(start: Start) -> None:
    engine = start().ready()
    before = memory(engine, "VmRSS")
    assert engine.ask("POST", "/test-engine/allocate?bytes=100000000") == (200, "")
    assert memory(engine, "VmRSS") >= before + 100_000_000
    assert engine.ask("POST", "/test-engine/allocate?bytes=much")[0] == 400


def test_full_shared_memory_is_told_as_the_system_does(start: Start) -> None:
    engine = start(before=with_shared_memory(8)).ready()
    assert engine.ask("POST", "/test-engine/fill-shm?bytes=4000000") == (200, "")
    status, told = engine.ask("POST", "/test-engine/fill-shm?bytes=9000000")
    assert status == 507
    assert json.loads(told)["error"]["message"] == (
        "OSError: [Errno 28] No space left on device: '/dev/shm/filled'"
    )
    assert memory(engine, "VmHWM") < 100_000_000


# What holds a pod


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_pause_as_process_1_leaves_no_zombie_and_ends_when_it_is_told_to(
    tmp_path: Path, number: signal.Signals
) -> None:
    namespace = ("unshare", "--pid", "--fork", "--kill-child")
    skip_without(namespace)
    with subprocess.Popen([*namespace, parts.find("pause")]) as outer:
        try:
            eventually("process 1", lambda: len(children(outer.pid)) == 1)
            (pause,) = children(outer.pid)
            # The shell ends before its child, which then belongs to process 1.
            go, over = tmp_path / "go", tmp_path / "over"
            orphan = f"(until [ -e '{go}' ]; do sleep 0.05; done; echo > '{over}') &"
            subprocess.run(["nsenter", f"--target={pause}", "--pid", "sh", "-c", orphan], check=True)
            assert len(children(pause)) == 1
            go.touch()
            eventually("the orphan to end", over.exists)
            eventually("the orphan to be taken in", lambda: children(pause) == [])
            os.kill(pause, number)
            assert outer.wait(KEPT_SECONDS) == 0
        finally:
            outer.kill()
