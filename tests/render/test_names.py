"""Names are valid and unique for any release and model: render() checks the rules, hypothesis picks the names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from charttest.plugin import Chart

MODEL = st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
# Helm's own rule for a release: a DNS-1123 subdomain of at most 53 characters.
RELEASE = st.from_regex(
    r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?)?", fullmatch=True
)
BODY = {"source": {"uri": "hf://org/model"}, "replicas": 2, "chatTemplate": "{{ a }}"}
CLAIM = {"type": "claim", "size": "1Gi", "accessModes": ["ReadWriteMany"]}


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(release=RELEASE, models=st.lists(MODEL, min_size=1, max_size=3, unique=True), variant=MODEL)
def test_every_name_is_valid_and_unique(chart: Chart, release: str, models: list[str], variant: str) -> None:
    body = {**BODY, "cache": CLAIM, "variants": {variant: {}} if variant != "main" else {}}
    rendered = chart.render({"models": dict.fromkeys(models, body)}, release=release)
    assert len(rendered.find("Service")) == len(models)
    assert len(rendered.names()) == len(rendered.objects)


KINDS: dict[str, dict[str, Any]] = {
    "StatefulSet": {"cache": {"type": "perReplica", "size": "1Gi"}},
    "LeaderWorkerSet": {"parallelism": {"tensor": 2, "nodes": 2}},
}


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(release=RELEASE, model=MODEL, kind=st.sampled_from(sorted(KINDS)))
def test_what_controllers_derive_from_a_name_is_valid(
    chart: Chart, release: str, model: str, kind: str
) -> None:
    rendered = chart.render({"models": {model: {**BODY, **KINDS[kind]}}}, release=release)
    assert len(rendered.one(kind).name) <= {"StatefulSet": 52, "LeaderWorkerSet": 49}[kind]


def test_names_that_differ_only_after_the_cut_stay_apart(chart: Chart) -> None:
    models = {"m" * 62 + end: BODY for end in "ab"}
    names = {item.name for item in chart.render({"models": models}, release="r" * 20).find("Service")}
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)
