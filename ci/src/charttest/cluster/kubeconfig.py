"""The administrator's kubeconfig."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from charttest.cluster.pki import Pki


def write(path: Path, name: str, server: str, certificates: Pki) -> None:
    """Write a kubeconfig that only its owner can read, with one context of that name."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": "admin"}}],
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": server,
                    "certificate-authority": str(certificates.authority.certificate),
                },
            }
        ],
        "users": [
            {
                "name": "admin",
                "user": {
                    "client-certificate": str(certificates.admin.certificate),
                    "client-key": str(certificates.admin.key),
                },
            }
        ],
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
