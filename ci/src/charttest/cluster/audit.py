"""The API server's audit log: which requests the pods' accounts made. Kept only where a test asks for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

LOG = "audit.log"
# The control plane's own controllers are accounts of kube-system; nobody asks what they may do.
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}


@dataclass(frozen=True)
class Request:
    """What was asked for; `resource` has its subresource (pods/log), or is a path that is no resource."""

    verb: str
    group: str
    resource: str
    allowed: bool


def flags(folder: Path) -> list[str]:
    """Write the policy into the cluster's folder; the API server's flags for it."""
    policy = folder / "audit.yaml"
    policy.write_text(yaml.safe_dump(POLICY), encoding="utf-8")
    return [f"--audit-policy-file={policy}", f"--audit-log-path={folder / LOG}"]


def requests(folder: Path, account: str, namespace: str) -> set[Request]:
    """Everything that a ServiceAccount has asked for until now."""
    user = f"system:serviceaccount:{namespace}:{account}"
    with (folder / LOG).open(encoding="utf-8") as lines:
        # The last line may be half written.
        events = [json.loads(line) for line in lines if line.endswith("\n")]
    return {_request(event) for event in events if event["user"]["username"] == user}


def _request(event: dict[str, object]) -> Request:
    what = event.get("objectRef")
    decision = event.get("annotations")
    assert isinstance(decision, dict), "the API server notes every decision"  # noqa: S101
    allowed = decision.get("authorization.k8s.io/decision") == "allow"
    verb = str(event["verb"])
    if not isinstance(what, dict) or "resource" not in what:
        return Request(verb, "", str(event["requestURI"]).partition("?")[0], allowed)
    parts = (what["resource"], what.get("subresource"))
    return Request(verb, what.get("apiGroup", ""), "/".join(part for part in parts if part), allowed)
