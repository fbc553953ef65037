"""Where the pods of a workload go with regard to each other, and what a node that leaves gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.render.pods import engine, pod

from charttest.checks.selectors import matches

if TYPE_CHECKING:
    from tests.render.conftest import RenderModel

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


@pytest.mark.parametrize(
    ("spread", "keys"), [("hostname", [HOST]), ("zone", [ZONE, HOST]), ("none", []), (None, [])]
)
def test_pods_prefer_to_differ(render_model: RenderModel, spread: str | None, keys: list[str]) -> None:
    rendered = render_model({"scheduling": {"spread": spread}})
    found = pod(rendered).get("topologySpreadConstraints", [])
    assert [item["topologyKey"] for item in found] == keys
    labels = rendered.one("Deployment").spec["template"]["metadata"]["labels"]
    for item in found:
        assert item["whenUnsatisfiable"] == "ScheduleAnyway"
        assert matches(item["labelSelector"]["matchLabels"], labels)


@pytest.mark.parametrize(("where", "key"), [("hostname", HOST), ("zone", ZONE)])
def test_pods_can_be_kept_apart_beside_the_users_own_affinity(
    render_model: RenderModel, where: str, key: str
) -> None:
    own: dict[str, Any] = {"labelSelector": {"matchLabels": {"app": "other"}}, "topologyKey": HOST}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [own]}}
    body = {
        "accelerator": {"product": ["A", "B"]},
        "scheduling": {"antiAffinity": where, "affinity": affinity},
    }
    rendered = render_model(body)
    found = pod(rendered)["affinity"]
    terms = found["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms[0] == own
    assert terms[1] == {
        "topologyKey": key,
        "labelSelector": {"matchLabels": rendered.one("Deployment").spec["selector"]["matchLabels"]},
    }
    assert "nodeAffinity" in found


def test_on_spot_nodes_the_grace_period_is_the_notice(render_model: RenderModel) -> None:
    shutdown = {"preStopSeconds": 5, "drainSeconds": 20}
    rendered = render_model({"shutdown": shutdown, "scheduling": {"spot": {"noticeSeconds": 30}}})
    assert pod(rendered)["terminationGracePeriodSeconds"] == 30
    assert "--shutdown-timeout=20" in engine(rendered)["args"]
    assert engine(rendered)["lifecycle"]["preStop"]["sleep"]["seconds"] == 5
