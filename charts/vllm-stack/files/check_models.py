"""Asks every model of the release for its health and for the names it serves; run by `helm test`."""

import http.client
import json
import os
import ssl
import sys
import time
from typing import Any

# A pod is ready before every node knows that its Service leads to it, and before DNS knows a new Service.
PATIENCE_SECONDS = 30


def connect(host: str) -> http.client.HTTPConnection:
    """Return a connection to a Service; what its certificate says is not looked at, its authority is unknown here."""
    if not host.startswith("https://"):
        return http.client.HTTPConnection(host, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host.removeprefix("https://"), timeout=30, context=context)


def get(host: str, path: str) -> bytes:
    """Return the body of a path of a Service; the key is sent when the release has one."""
    key = os.environ.get("VLLM_API_KEY")
    connection = connect(host)
    connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
    response = connection.getresponse()
    body = response.read()
    if response.status != http.client.OK:
        raise OSError(f"{path} answered {response.status} {response.reason}")
    return body


def served(host: str, asked: dict[str, Any]) -> set[str]:
    """Return the names that a healthy server serves; a path with NAME in it answers for one name at a time."""
    get(host, asked["health"])
    path = asked["list"]
    if path == "":
        return set(asked["names"])
    if "NAME" in path:
        for name in asked["names"]:
            get(host, path.replace("NAME", name))
        return set(asked["names"])
    return {model["id"] for model in json.loads(get(host, path))["data"]}


def check(host: str, asked: dict[str, Any]) -> str:
    """Return what is wrong with one model, or an empty text."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            found = served(host, asked)
            break
        except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
            if time.monotonic() > deadline:
                return f"{type(error).__name__}: {error}"
            time.sleep(1)
    missing = [name for name in asked["names"] if name not in found]
    return f"does not serve {', '.join(missing)}" if missing else ""


failed = False
for service, asked in json.loads(os.environ["MODELS"]).items():
    problem = check(service, asked)
    failed = failed or problem != ""
    sys.stdout.write(f"{service}: {problem or 'ok, serves ' + ', '.join(asked['names'])}\n")
sys.exit(failed)
