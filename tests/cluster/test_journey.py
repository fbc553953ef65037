"""docs/install.md, "From nothing to Llama 3.3 70B on four GPUs": its values, word for word, on a cluster."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from charttest.externals import stand_ins
from charttest.lint import Scenario

if TYPE_CHECKING:
    from charttest.plugin import Chart
    from charttest.release import Release

PAGE = (Path(__file__).parents[2] / "docs/install.md").read_text()


def test_the_values_of_the_page_install_answer_the_test_and_get_a_second_replica(
    chart: Chart, release: Release, tmp_path: Path
) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
    path = tmp_path / "values.yaml"
    path.write_text(example)
    external = Scenario.of(path).external
    # Step 2 creates every Secret that the values name.
    named = set(re.findall(r"create secret generic ([\w-]+)", PAGE))
    assert {f"Secret/{name}" for name in named} == external
    rendered = chart.render(path, release=release.name, namespace=release.namespace, external=external)
    release.kubectl.apply(*stand_ins(rendered, external), namespace=release.namespace)

    slow = replace(release, timeout_seconds=300)
    slow.install(path)
    (pod,) = release.get("pods", "--selector", "app.kubernetes.io/component=engine")
    assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "4"
    (node,) = (node for node in release.get("nodes") if node["metadata"]["name"] == pod["spec"]["nodeName"])
    assert node["metadata"]["labels"]["nvidia.com/gpu.product"] == "NVIDIA-H100-80GB-HBM3"
    assert [claim["status"]["phase"] for claim in release.get("persistentvolumeclaims")] == ["Bound"]
    (ingress,) = release.get("ingresses")
    (host,) = set(re.findall(r"https://([\w.]+)/v1", PAGE))
    assert ingress["spec"]["ingressClassName"] == "traefik"
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"] for rule in ingress["spec"]["rules"]] == [host]
    assert "Succeeded" in slow.test()

    two = yaml.safe_load(example)
    two["models"]["llama-70b"]["replicas"] = 2
    job = [each["metadata"]["uid"] for each in release.get("jobs")]
    slow.upgrade(two)
    pods = release.get("pods", "--selector", "app.kubernetes.io/component=engine")
    assert pod["metadata"]["uid"] in {each["metadata"]["uid"] for each in pods}
    assert len(pods) == 2
    # Nothing is downloaded again.
    assert [each["metadata"]["uid"] for each in release.get("jobs")] == job
