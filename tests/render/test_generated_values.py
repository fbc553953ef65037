"""Whatever a values file holds, the chart renders valid objects or says which keys it refuses, and why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from tests.render.generated import EXTERNAL, values_files
from tests.render.test_behaviour import selectors

from charttest.checks import Manifests
from charttest.checks.selectors import matches
from charttest.helm import HelmError

if TYPE_CHECKING:
    from charttest.plugin import Chart

EXAMPLES = 500
REFUSAL = re.compile(r"^  [A-Za-z][\w.\[\]/-]*: .+; .+$")


def test_any_values_file_renders_valid_objects_or_is_refused_by_key(chart: Chart) -> None:
    seen = {"rendered": 0, "refused": 0}

    # render() checks every object: schema, names, duplicates, selectors, Pod Security, references, claims, probes.
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        # The values of a failure are small; making them smaller takes minutes of renders.
        phases=(Phase.generate,),
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(values=values_files())
    def look(values: dict[str, Any]) -> None:
        try:
            rendered = chart.render(values, external=EXTERNAL)
        except HelmError as error:
            refused = error.output
        else:
            refused = ""
        if refused:
            first, *lines = refused.strip().splitlines()
            assert (first, bool(lines)) == ("vllm-stack cannot render these values:", True), refused
            assert [line for line in lines if not REFUSAL.match(line)] == []
            seen["refused"] += 1
            return
        seen["rendered"] += 1
        workloads = [item for kind in ("Deployment", "StatefulSet") for item in rendered.find(kind)]
        pods = [item for item in Manifests(rendered.objects).pods if item.labels]
        for workload in workloads:
            chosen = workload.spec["selector"]["matchLabels"]
            assert sum(matches(chosen, item.labels) for item in pods) == 1
        assert all("team" not in selector for selector in selectors(rendered))

    look()
    assert sum(seen.values()) >= EXAMPLES
    # Most of what is generated is something that a person could mean.
    assert seen["rendered"] > EXAMPLES // 4
