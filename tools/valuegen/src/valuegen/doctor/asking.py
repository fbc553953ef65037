"""The one way to the cluster: GET requests through kubectl, which brings the user's own sign-in."""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from valuegen.doctor.objects import Object, one_line
from valuegen.errors import ClusterError
from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

AT_ONCE = 8  # a kubectl is a process of about 50 MB
ANSWER_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """What one GET returned: the text, or why there is none."""

    text: str = ""
    problem: Literal["", "denied", "absent"] = ""
    said: str = ""

    @property
    def document(self) -> Object:
        """The JSON object; empty when there is none."""
        found: Object = json.loads(self.text) if self.text else {}
        return found

    @property
    def items(self) -> list[Object]:
        """The objects of a list, each with its kind, which a list leaves out."""
        document = self.document
        kind = str(document.get("kind", "")).removesuffix("List")
        return [{"kind": kind, **item} for item in document.get("items") or ()]


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one cluster and user."""

    program: str
    options: tuple[str, ...] = ()

    @classmethod
    def find(cls, kubeconfig: str | None, context: str | None) -> Kubectl:
        """The one on PATH; ClusterError without one."""
        program = shutil.which("kubectl")
        if program is None:
            raise ClusterError(
                "kubectl: is not on PATH", "install it: doctor asks the cluster through it, with its sign-in"
            )
        given = {"--kubeconfig": kubeconfig, "--context": context}
        return cls(program, tuple(f"{option}={value}" for option, value in given.items() if value))

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """`kubectl ARGUMENTS` to its end."""
        command = [self.program, *self.options, *arguments]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, errors="replace", check=False
        )

    def namespace(self) -> str:
        """The namespace of the context in use."""
        done = self.run("config", "view", "--minify", "--output=jsonpath={..namespace}")
        return done.stdout.strip() or "default"

    def get(self, path: str) -> Answer:
        """GET a path of the API; ClusterError when the cluster does not answer or knows nobody."""
        done = self.run("get", "--raw", path, f"--request-timeout={ANSWER_SECONDS}s")
        if not done.returncode:
            return Answer(done.stdout)
        said = one_line(done.stderr)
        if "(Forbidden)" in said:
            return Answer(problem="denied", said=said)
        if "(NotFound)" in said or "could not find the requested resource" in said:
            return Answer(problem="absent", said=said)
        if path.partition("?")[0].endswith("/log"):  # the container or its log is gone meanwhile
            return Answer(problem="absent", said=said)
        raise ClusterError(
            f"the cluster: kubectl says: {said}",
            "`kubectl get namespaces` must work; see --kubeconfig, --context",
        )

    def revision(self, release: str, namespace: str) -> Answer:
        """The status of Helm's newest revision, as text.

        Asked for as a table, which has the labels of Helm's Secrets and not what they hold.
        """
        which = (f"--namespace={namespace}", f"--selector=owner=helm,name={release}")
        done = self.run("get", "secrets", *which, "--label-columns=version,status", "--no-headers")
        if done.returncode:
            return Answer(problem="denied", said=one_line(done.stderr))
        rows = [row.split()[-2:] for row in done.stdout.splitlines() if row.strip()]
        revisions = [(int(version), status) for version, status in rows if version.isdecimal()]
        return Answer(max(revisions)[1] if revisions else "")

    def get_all(self, paths: Iterable[str]) -> Mapping[str, Answer]:
        """Several paths at once."""
        wanted = list(dict.fromkeys(paths))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(wanted, pool.map(self.get, wanted), strict=True))
