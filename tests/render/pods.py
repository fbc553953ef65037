"""What the render tests look at: the pod of a workload, and its engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charttest.render import Rendered


def pod(rendered: Rendered, name: str | None = None) -> dict[str, Any]:
    """The pod spec of the only Deployment, or of the named one."""
    spec: dict[str, Any] = rendered.one("Deployment", name).spec["template"]["spec"]
    return spec


def engine(rendered: Rendered, name: str | None = None) -> dict[str, Any]:
    """Its engine container."""
    container: dict[str, Any] = pod(rendered, name)["containers"][0]
    return container


def mounted(rendered: Rendered) -> dict[str, dict[str, Any]]:
    """The volumes of the engine by the path at which it sees them."""
    volumes = {volume["name"]: volume for volume in pod(rendered)["volumes"]}
    return {mount["mountPath"]: volumes[mount["name"]] for mount in engine(rendered)["volumeMounts"]}


def variables(rendered: Rendered) -> dict[str, str]:
    """The environment of the engine, but what comes from elsewhere."""
    return {entry["name"]: entry["value"] for entry in engine(rendered)["env"] if "value" in entry}
