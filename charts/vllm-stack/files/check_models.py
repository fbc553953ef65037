"""Asks every model of the release for its health and for the names it serves; run by `helm test`."""

import json
import os
import sys
import urllib.error
import urllib.request


def get(url: str) -> bytes:
    """Return the body of a URL; the key is sent when the release has one."""
    key = os.environ.get("VLLM_API_KEY")
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read()


def check(url: str, names: list[str]) -> str | None:
    """Return what is wrong with one model, or None."""
    try:
        get(f"{url}/health")
        served = {model["id"] for model in json.loads(get(f"{url}/v1/models"))["data"]}
    except (OSError, ValueError, KeyError) as error:
        return str(error)
    missing = [name for name in names if name not in served]
    return f"does not serve {', '.join(missing)}" if missing else None


failed = False
for model_url, model_names in json.loads(os.environ["MODELS"]).items():
    problem = check(model_url, model_names)
    failed = failed or problem is not None
    print(f"{model_url}: {problem or 'ok, serves ' + ', '.join(model_names)}")
sys.exit(failed)
