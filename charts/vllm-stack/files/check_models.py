"""Asks every model of the release for its health and for the names it serves; run by `helm test`."""

import http.client
import json
import os
import sys


def get(host: str, path: str) -> bytes:
    """Return the body of a path of a Service; the key is sent when the release has one."""
    key = os.environ.get("VLLM_API_KEY")
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
    response = connection.getresponse()
    body = response.read()
    if response.status != http.client.OK:
        raise OSError(f"{path} answered {response.status} {response.reason}")
    return body


def check(host: str, names: list[str]) -> str:
    """Return what is wrong with one model, or an empty text."""
    try:
        get(host, "/health")
        served = {model["id"] for model in json.loads(get(host, "/v1/models"))["data"]}
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    missing = [name for name in names if name not in served]
    return f"does not serve {', '.join(missing)}" if missing else ""


failed = False
for service, expected in json.loads(os.environ["MODELS"]).items():
    problem = check(service, expected)
    failed = failed or problem != ""
    sys.stdout.write(f"{service}: {problem or 'ok, serves ' + ', '.join(expected)}\n")
sys.exit(failed)
