"""What a release of vLLM registers is read out of its source, and every difference to a table is named."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from tests.charttest.made_up_vllm import FILES, FLAGS, TABLE

from charttest import exporters
from charttest.cli import main
from charttest.errors import PartError, UsageError
from charttest.exporters import Exporter, load
from charttest.sources.drift import Flags, differences, outdated, seal
from charttest.sources.package import Source, of_folder, of_release

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = "1.2.3"


@pytest.fixture
def table(tmp_path: Path) -> Exporter:
    return table_of(tmp_path, TABLE)


def table_of(folder: Path, text: str) -> Exporter:
    path = folder / "table.yaml"
    path.write_text(text)
    return load(path)


def changed(path: str, old: str, new: str) -> Source:
    """The package with one change."""
    assert old in FILES[path]
    return Source(VERSION, {**FILES, path: FILES[path].replace(old, new)})


LOGGERS, OFFLOAD = "v1/metrics/loggers.py", "connector/offload.py"
CHANGES = [
    (
        "a renamed metric",
        (LOGGERS, "vllm:requests_running", "vllm:num_requests_running"),
        [
            "vllm:requests_running: gone; vllm:num_requests_running is new, and like it",
            "vllm:num_requests_running: new, a gauge with engine, model_name",
        ],
    ),
    (
        "a renamed counter of a loop",
        (LOGGERS, "vllm:steps", "vllm:denoised"),
        ["vllm:steps_total: gone", "vllm:denoised_total: new, a counter with engine, model_name"],
    ),
    (
        "a new metric",
        (
            "entrypoints/websocket.py",
            "connections = ",
            'x = prometheus_client.Counter("vllm:opened", "")\nconnections = ',
        ),
        ["vllm:opened_total: new, a counter without labels"],
    ),
    (
        "another type under the same name",
        (LOGGERS, "self.latency = self._histogram_cls", "self.latency = self._gauge_cls"),
        ["vllm:latency_seconds: is a gauge now, and no histogram"],
    ),
    (
        "another type of a counter, whose page adds _total",
        (OFFLOAD, "OffloadingCounterMetadata", "OffloadingGaugeMetadata"),
        [
            "vllm:loaded_bytes_total: gone",
            "vllm:loaded_bytes: new, a gauge with engine, model_name, tier",
        ],
    ),
    (
        "another label",
        (LOGGERS, '["reason"]', '["cause", "stage"]'),
        ["vllm:requests_waiting: lost the label reason and gained the labels cause, stage"],
    ),
    (
        "another label by a constant",
        (OFFLOAD, '"tier"', '"level"'),
        ["vllm:loaded_bytes_total: lost the label tier and gained the label level"],
    ),
    (
        "a field of a configuration, which is a label",
        ("config/cache.py", 'cache_dtype: str = "auto"', "layout: str | None = None"),
        ["vllm:cache_info: lost the label cache_dtype and gained the label layout"],
    ),
    (
        "labels that are known when it runs",
        (LOGGERS, "waiting_labels = labelnames + ", "waiting_labels = config.labels + "),
        ["vllm:requests_waiting: has any labels now"],
    ),
    (
        "other buckets of a family",
        ("v1/metrics/buckets.py", "(0.5, 1.0, 20)", "(0.5, 2, 20)"),
        ["vllm:latency_seconds: lost the bucket 1.0 and gained the bucket 2.0"],
    ),
    (
        "buckets that are known when it runs",
        (OFFLOAD, "buckets=(1, 10)", "buckets=extra"),
        ["vllm:loaded_size: its buckets are made when it runs now"],
    ),
    (
        "a name that the source does not say",
        (OFFLOAD, 'name="vllm:saved_total"', "name=values.name"),
        [
            "vllm:saved_total: gone",
            "connector/offload.py:21: makes a counter whose name it does not say; read it, and enter the metric with"
            " `elsewhere`",
        ],
    ),
    (
        "a way to register that is not known",
        ("entrypoints/websocket.py", "connections = ", 'made = register("vllm:opened")\nconnections = '),
        [
            "entrypoints/websocket.py:4: names vllm:opened, which nothing that is read makes; read it, and enter the"
            " metric with `elsewhere`"
        ],
    ),
    (
        "a renamed flag",
        ("engine/arg_utils.py", "max-model-len", "max-len"),
        ["--max-model-len: gone", "--max-len: new"],
    ),
    (
        "a flag of the server that is gone, by its field",
        ("entrypoints/cli_args.py", "chat_template", "ssl_keyfile"),
        ["--chat-template: gone"],
    ),
]


def test_a_release_that_is_as_the_tables_say_has_no_difference(table: Exporter) -> None:
    assert list(differences(table, Flags(VERSION, FLAGS), Source(VERSION, FILES))) == []


@pytest.mark.parametrize(
    ("change", "lines"), [each[1:] for each in CHANGES], ids=[each[0] for each in CHANGES]
)
def test_a_change_is_named(table: Exporter, change: tuple[str, str, str], lines: list[str]) -> None:
    assert list(differences(table, Flags(VERSION, FLAGS), changed(*change))) == lines


def test_a_metric_that_another_package_named_and_nothing_makes_is_told(table: Exporter) -> None:
    files = {path: text for path, text in FILES.items() if path != "connector/foreign.py"}
    assert list(differences(table, None, Source(VERSION, files))) == [
        "connector/foreign.py: makes no metric any more whose name is elsewhere"
    ]


def nothing_is_fetched(version: str) -> Source:
    raise AssertionError(version)


def sealed(folder: Path, text: str = TABLE) -> Exporter:
    return table_of(folder, text.replace('seal: ""', f"seal: {seal(table_of(folder, text))}"))


def test_tables_of_the_pin_need_no_source(tmp_path: Path) -> None:
    assert outdated(VERSION, sealed(tmp_path), Flags(VERSION, FLAGS), nothing_is_fetched) == ""


def test_another_pin_is_told_with_all_that_changed(tmp_path: Path) -> None:
    source = changed(LOGGERS, "vllm:requests_running", "vllm:num_requests_running")
    assert outdated("1.3.0", sealed(tmp_path), Flags(VERSION, FLAGS), lambda _: source) == (
        "vLLM 1.3.0 is pinned, and the table of metrics is of vLLM 1.2.3 and the table of flags is of vLLM 1.2.3;"
        " its source differs from them in 2 (again: `charttest drift 1.3.0 --flags FILE`):\n"
        "  vllm:requests_running: gone; vllm:num_requests_running is new, and like it\n"
        "  vllm:num_requests_running: new, a gauge with engine, model_name"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1.2.3", "version: 1.3.0"),
        ("[0.5, 1, 20]", "[0.5, 1, 30]"),
        ("type: gauge}", "type: counter}"),
    ],
)
def test_a_table_that_was_changed_by_hand_is_held_against_the_source(
    tmp_path: Path, old: str, new: str
) -> None:
    true = sealed(tmp_path)
    table = table_of(tmp_path, TABLE.replace('seal: ""', f"seal: {true.seal}").replace(old, new))
    asked: list[str] = []

    def source_of(version: str) -> Source:
        asked.append(version)
        return changed(OFFLOAD, '"tier"', '"level"')

    told = outdated(table.version, table, Flags(table.version, FLAGS), source_of)
    assert asked == [table.version]
    assert "the table of metrics was changed after it was held against the source; its source differs" in told
    assert "\n  vllm:loaded_bytes_total: lost the label tier and gained the label level" in told


def test_a_source_without_a_difference_asks_for_the_seal(table: Exporter) -> None:
    told = outdated(VERSION, table, Flags(VERSION, FLAGS), lambda _: Source(VERSION, FILES))
    assert told.endswith(
        "the source of vLLM 1.2.3 has no difference to them: set their version, then `charttest drift --seal`"
    )


def test_without_a_source_it_says_what_to_run(tmp_path: Path) -> None:
    def none(_: str) -> Source:
        raise PartError("the package index has no source of vLLM 1.3.0", "give uv an index")

    assert outdated("1.3.0", sealed(tmp_path), Flags("1.3.0", FLAGS), none) == (
        "vLLM 1.3.0 is pinned, and the table of metrics is of vLLM 1.2.3; what changed cannot be listed here: the package"
        " index has no source of vLLM 1.3.0; give uv an index; then run `charttest drift 1.3.0 --flags FILE`"
    )


# The source of a release


def archive(files: dict[str, str]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"vllm-{VERSION}/{name}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return written.getvalue()


def wheel() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as made:
        info = f"vllm-{VERSION}.dist-info"
        made.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}\n")
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        made.writestr(f"{info}/RECORD", "")
    return written.getvalue()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page of a package index on loopback that has one release, as an archive and a wheel."""
    folder = tmp_path / "index" / "vllm"
    folder.mkdir(parents=True)
    files = {
        "PKG-INFO": "Name: vllm",
        "setup.py": "raise SystemExit",
        **{f"vllm/{p}": t for p, t in FILES.items()},
    }
    contents = {f"vllm-{VERSION}.tar.gz": archive(files), f"vllm-{VERSION}-py3-none-any.whl": wheel()}
    links = ""
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        links += f'<a href="{name}#sha256={hashlib.sha256(content).hexdigest()}">{name}</a>'
    (folder / "index.html").write_text(f"<html><body>{links}</body></html>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder.parent)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name in (
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "UV_INDEX",
        "UV_FIND_LINKS",
        "UV_EXCLUDE_NEWER",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_source_of_a_release_comes_from_the_package_index_once(index: Path) -> None:
    assert of_release(VERSION) == Source(VERSION, FILES)
    (index / f"vllm-{VERSION}.tar.gz").unlink()
    assert of_release(VERSION) == Source(VERSION, FILES)


def test_an_archive_that_is_not_the_indexs_own_is_refused_and_not_kept(index: Path, tmp_path: Path) -> None:
    (index / f"vllm-{VERSION}.tar.gz").write_bytes(archive({"vllm/__init__.py": ""}))
    with pytest.raises(PartError, match="not the one that the package index names"):
        of_release(VERSION)
    assert list((tmp_path / "cache/vllm-stack/sources").iterdir()) == []


@pytest.mark.usefixtures("index")
def test_a_release_that_is_not_there_is_told_without_addresses() -> None:
    with pytest.raises(
        PartError, match=r"the package index has no source of vLLM 9\.9\.9 .*UV_DEFAULT_INDEX"
    ) as caught:
        of_release("9.9.9")
    assert "127.0.0.1" not in str(caught.value)


def test_a_folder_without_the_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"holds no source of vLLM; name the folder that has vllm/__init__\.py"
    ):
        of_folder(tmp_path)


# The command


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        (tmp_path / "vllm" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "vllm" / path).write_text(text)
    return tmp_path


def test_the_command_lists_what_changed_and_ends_with_1(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drift", "--source", str(package)]) == 1
    out, err = capsys.readouterr()
    assert "vllm:steps_total: new, a counter with engine, model_name\n" in out
    assert f"vLLM 1.2.3 differs in {len(out.splitlines())} from the table of vLLM " in err


def test_the_command_seals_a_table_without_differences_and_no_other(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table.yaml"
    monkeypatch.setattr("charttest.cli.drift.vllm_table", lambda: path)
    path.write_text(TABLE.replace("vllm:steps_total", "vllm:stairs_total"))
    assert main(["drift", "--source", str(package), "--seal"]) == 1
    assert load(path).seal == ""
    path.write_text(TABLE.replace("version: 1.2.3", "version: 1.3.0"))
    assert main(["drift", "--source", str(package), "--seal"]) == 2
    assert load(path).seal == ""
    path.write_text(TABLE)
    assert main(["drift", "--source", str(package), "--seal"]) == 0
    assert load(path).seal == seal(load(path)) != ""
    assert capsys.readouterr().out.endswith("vLLM 1.2.3: no difference\n")


def test_vllms_table_is_the_one_that_queries_are_held_to() -> None:
    assert load(exporters.vllm_table()) in exporters.exporters()
