"""Just enough of an API client to wait and to watch: kubectl would start a process per question."""

from __future__ import annotations

import json
import ssl
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from charttest.cluster.pki import Pair

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_ANSWER_SECONDS = 5


class Api:
    """The API server, asked as the administrator."""

    def __init__(self, server: str, authority: Path, user: Pair) -> None:
        """Ask as `user`; trust the cluster's own authority only."""
        context = ssl.create_default_context(cafile=str(authority))
        context.load_cert_chain(str(user.certificate), str(user.key))
        # ProxyHandler({}): a proxy of the environment is not the way to loopback
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)
        self._server = server

    def get(self, path: str) -> dict[str, Any] | None:
        """The object or the list at this path; None when there is none, or no answer."""
        answer = self._get(path)
        found: dict[str, Any] | None = json.loads(answer) if answer else None
        return found

    def ready(self) -> bool:
        """Whether every check of /readyz passes."""
        return self._get("/readyz") is not None

    def crds_served(self) -> bool:
        """Whether the API server serves every CustomResourceDefinition."""
        crds = self._items(_CRDS)
        return bool(crds) and all(_is_true(crd, "Established") for crd in crds)

    def nodes_usable(self) -> bool:
        """Whether every node is Ready and no longer tainted as new, so that pods can be scheduled."""
        nodes = self._items("/api/v1/nodes")
        return bool(nodes) and all(_is_true(node, "Ready") and not _is_new(node) for node in nodes)

    def default_account_exists(self) -> bool:
        """Whether pods can be made in the namespace default."""
        return self._get("/api/v1/namespaces/default/serviceaccounts/default") is not None

    def _get(self, path: str) -> bytes | None:
        try:
            with self._opener.open(f"{self._server}{path}", timeout=_ANSWER_SECONDS) as response:
                answer: bytes = response.read()
                return answer
        except OSError:  # not listening yet, or a status other than 200 (URLError is an OSError)
            return None

    def _items(self, path: str) -> list[dict[str, Any]]:
        answer = self.get(path)
        items: list[dict[str, Any]] = answer["items"] if answer else []
        return items


def _is_true(item: dict[str, Any], condition: str) -> bool:
    conditions = item.get("status", {}).get("conditions") or []  # null in a CRD that was made just now
    return any(entry["type"] == condition and entry["status"] == "True" for entry in conditions)


def _is_new(node: dict[str, Any]) -> bool:
    taints = node["spec"].get("taints", [])
    return any(taint["key"].startswith("node.kubernetes.io/") for taint in taints)
