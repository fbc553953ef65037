"""A real Prometheus beside a local cluster, which scrapes what prometheus-operator says.

The operator writes the configuration for a Prometheus in a pod; `local` makes it one for this machine. It is
written anew whenever the operator changes it, and whenever a Secret that it reads from changes.
"""

from __future__ import annotations

import base64
import gzip
import json
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from charttest import parts
from charttest.controllers import beside
from charttest.errors import ClusterError

if TYPE_CHECKING:
    from pathlib import Path

    from charttest.cluster import LocalCluster

NAMESPACE = "monitoring"
NAME = "main"
ACCOUNT = "prometheus"
# What it may read: what prometheus-operator's documentation gives a Prometheus.
RULES = [
    {
        "apiGroups": ["", "discovery.k8s.io"],
        "resources": ["nodes", "services", "endpoints", "endpointslices", "pods"],
        "verbs": ["get", "list", "watch"],
    },
    {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
]
# Where a pod of the operator has them, and what they are called here.
CERTIFICATES, RULE_FILES, TOKEN = (
    "/etc/prometheus/certs/",
    f"/etc/prometheus/rules/prometheus-{NAME}-rulefiles-0/",
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
)
ANSWER_SECONDS = 10


@dataclass
class Prometheus:
    """One Prometheus; `url` leads to it from this machine and from pods."""

    cluster: LocalCluster
    folder: Path
    port: int
    _stop: threading.Event = field(default_factory=threading.Event)
    _seen: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """With the cluster's own authority: ca.crt in its folder."""
        return f"https://{self.cluster.host}:{self.port}"

    def query(self, promql: str) -> list[dict[str, Any]]:
        """The result of an instant query: `metric` and `value`. ClusterError with what Prometheus says."""
        found: list[dict[str, Any]] = self.data("query", query=promql)["result"]
        return found

    def data(self, path: str, **parameters: str) -> Any:
        """What /api/v1/PATH answers. ClusterError with what Prometheus says."""
        return json.loads(self._ask(f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))["data"]

    def start(self) -> None:
        """Run it; call it in the main thread, see LocalCluster."""
        addresses = dict.fromkeys((beside.LOOPBACK, self.cluster.host))
        command = [
            str(parts.find("prometheus")),
            f"--config.file={self.folder / 'prometheus.yaml'}",
            f"--web.config.file={self.folder / 'web.yaml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            *(f"--web.listen-address={address}:{self.port}" for address in addresses),
            "--web.enable-lifecycle",
            # What is no longer scraped is forgotten after that, and not only after five minutes; until then its
            # last value stands still, which must be for less than the windows of scalers under test.
            "--query.lookback-delta=10s",
            "--log.level=warn",
        ]
        self.cluster.add("prometheus", command, self._ready)
        self._seen.clear()  # what came while it started, it may have missed

    def follow(self) -> None:
        """From now on, take over what the operator changes, once a second."""
        threading.Thread(target=self._follow, daemon=True).start()

    def unfollow(self) -> None:
        """No longer."""
        self._stop.set()

    def refresh(self) -> None:
        """Take over what the operator has written, if it is new."""
        written = {item["metadata"]["name"]: item.get("data", {}) for item in self._written()}
        configuration = written.get(f"prometheus-{NAME}", {}).get("prometheus.yaml.gz")
        if configuration is None:
            return
        files = {"prometheus.yaml": local(_unpacked(configuration), self.folder, self.cluster)}
        for name, content in written.get(f"prometheus-{NAME}-tls-assets-0", {}).items():
            files[f"certs/{name}"] = base64.b64decode(content).decode()
        for name, content in written.get(f"prometheus-{NAME}-rulefiles-0", {}).items():
            files[f"rules/{name}"] = content
        if files == self._seen:
            return
        for name in self._seen.keys() - files.keys():
            (self.folder / name).unlink()
        for name, content in files.items():
            (self.folder / name).write_text(content, encoding="utf-8")
        self._seen = files
        if beside.listens(self.port):
            self._ask("/-/reload", method="POST")

    def _follow(self) -> None:
        while not self._stop.wait(1):
            try:
                self.refresh()
            except (ClusterError, OSError):  # while it, or the API server, is away
                self._seen.clear()

    def _written(self) -> list[dict[str, Any]]:
        where = f"/api/v1/namespaces/{NAMESPACE}"
        lists = [self.cluster.api.get(f"{where}/{kind}") for kind in ("secrets", "configmaps")]
        return [item for each in lists if each for item in each["items"]]

    def _ready(self) -> bool:
        try:
            self._ask("/-/ready")
        except ClusterError:
            return False
        return True

    def _ask(self, path: str, method: str = "GET") -> bytes:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        request = urllib.request.Request(self.url + path, method=method)  # noqa: S310 - https
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=ANSWER_SECONDS) as response:
                answer: bytes = response.read()
                return answer
        except OSError as error:
            said = error.read().decode() if isinstance(error, urllib.error.HTTPError) else str(error)
            raise ClusterError(
                f"prometheus: {path}: {said}", "does it run? its log names what is wrong"
            ) from error


def start(cluster: LocalCluster, scrape_interval: str = "2s") -> Prometheus:
    """Run one for all monitors of all namespaces; prometheus-operator must run. ClusterError if it dies."""
    made = Prometheus(cluster, beside.folder(cluster, "prometheus"), beside.free_port())
    for name in ("certs", "rules"):
        (made.folder / name).mkdir()
    served = {"cert_file": "tls.crt", "key_file": "tls.key"}
    (made.folder / "web.yaml").write_text(yaml.safe_dump({"tls_server_config": served}), encoding="utf-8")
    cluster.kubectl.apply(*_objects(scrape_interval), namespace=NAMESPACE)
    token = cluster.kubectl("create", "token", ACCOUNT, "--namespace", NAMESPACE, "--duration=24h")
    (made.folder / "token").write_text(token, encoding="utf-8")
    cluster.wait(f"the Secret prometheus-{NAME}", lambda: _has_configuration(made), beside.READY_SECONDS)
    made.start()
    made.follow()
    return made


def local(configuration: str, folder: Path, cluster: LocalCluster) -> str:
    """The operator's configuration for a Prometheus outside the cluster, with the files in `folder`."""
    for there, here in ((CERTIFICATES, "certs/"), (RULE_FILES, "rules/"), (TOKEN, "token")):
        configuration = configuration.replace(there, f"{folder}/{here}")
    # Its pods have them in the environment.
    configuration = configuration.replace("$(SHARD)", "0").replace("$(POD_NAME)", f"prometheus-{NAME}-0")
    document = yaml.safe_load(configuration)
    access = {
        "api_server": cluster.server,
        "tls_config": {"ca_file": f"{folder}/ca.crt"},
        "authorization": {"credentials_file": f"{folder}/token"},
    }
    for job in document.get("scrape_configs") or ():
        for discovery in job.get("kubernetes_sd_configs") or ():
            discovery.update(access)
    return yaml.safe_dump(document, sort_keys=False)


def _has_configuration(made: Prometheus) -> bool:
    made.refresh()
    return (made.folder / "prometheus.yaml").is_file()


def _unpacked(content: str) -> str:
    return gzip.decompress(base64.b64decode(content)).decode()


def _objects(scrape_interval: str) -> list[dict[str, Any]]:
    rbac, where = "rbac.authorization.k8s.io", {"name": ACCOUNT, "namespace": NAMESPACE}
    everything: dict[str, Any] = {}
    for kind in ("serviceMonitor", "podMonitor", "scrapeConfig", "rule"):
        everything |= {f"{kind}Selector": {}, f"{kind}NamespaceSelector": {}}
    return [
        beside.namespace(NAMESPACE),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": where},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": ACCOUNT},
            "rules": RULES,
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", **where}],
        },
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "Prometheus",
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": {
                "replicas": 0,  # the pod would need an image: this machine runs it
                "serviceAccountName": ACCOUNT,
                "scrapeInterval": scrape_interval,
                "scrapeTimeout": scrape_interval,
                "evaluationInterval": scrape_interval,
                **everything,
            },
        },
    ]
