"""A page of metrics is read as Prometheus reads it."""

from __future__ import annotations

import pytest

from charttest.exporters import bound
from charttest.exporters.page import Family, families

PAGE = """\
# HELP vllm:waiting Requests that wait.
# TYPE vllm:waiting gauge
vllm:waiting{engine="0",model_name="a, \\"b\\" {c}"} 0.0
vllm:waiting{engine="1",model_name="d"} 3.0
# HELP vllm:latency_seconds Seconds.
# TYPE vllm:latency_seconds histogram
vllm:latency_seconds_bucket{engine="0",le="0.5"} 1.0
vllm:latency_seconds_bucket{engine="0",le="+Inf"} 2.0
vllm:latency_seconds_bucket{engine="1",le="0.5"} 0.0
vllm:latency_seconds_bucket{engine="1",le="+Inf"} 0.0
vllm:latency_seconds_count{engine="0"} 2.0
vllm:latency_seconds_sum{engine="0"} 1.5
# TYPE vllm:latency_seconds_created gauge
vllm:latency_seconds_created{engine="0"} 1.7e+09
# TYPE size_bytes summary
size_bytes_count{handler="/v1"} 1.0
size_bytes_sum{handler="/v1"} 8.0
# TYPE never_seen counter
# TYPE open_files gauge
open_files 7
"""


def test_every_family_has_its_type_labels_bounds_and_series() -> None:
    assert families(PAGE) == {
        "vllm:waiting": Family(
            "gauge", {"engine": {"0", "1"}, "model_name": {'a, \\"b\\" {c}', "d"}}, [], {"vllm:waiting"}
        ),
        "vllm:latency_seconds": Family(
            "histogram",
            {"engine": {"0", "1"}},
            ["0.5", "+Inf"],
            {f"vllm:latency_seconds_{ending}" for ending in ("bucket", "sum", "count")},
        ),
        "vllm:latency_seconds_created": Family(
            "gauge", {"engine": {"0"}}, [], {"vllm:latency_seconds_created"}
        ),
        "size_bytes": Family("summary", {"handler": {"/v1"}}, [], {"size_bytes_count", "size_bytes_sum"}),
        "never_seen": Family("counter"),
        "open_files": Family("gauge", {}, [], {"open_files"}),
    }


@pytest.mark.parametrize("line", ["untyped 1.0", "vllm:waiting_bucket 1.0", "<html>"])
def test_what_is_no_sample_of_a_family_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="no sample of a family with a type"):
        families(f"{PAGE}{line}\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00001, "1e-05"),
        (0.0001, "0.0001"),
        (0.5, "0.5"),
        (1, "1.0"),
        (2560, "2560.0"),
        (262144, "262144.0"),
        (1_000_000, "1e+06"),
        (150_000_000, "1.5e+08"),
        (2_147_483_648, "2.147483648e+09"),
    ],
)
def test_a_bound_is_written_as_on_a_page(value: float, text: str) -> None:
    assert bound(value) == text
