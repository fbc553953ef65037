"""Asks the engine of this pod every prompt of warm_up.json; run by the startup probe, which ends the start.

A prompt is a system prompt, or the body of a request. Each engine of the pod answers it once, so that all of their
prefix caches hold it; one that is asked again because a later one failed costs next to nothing.
"""

import http.client
import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

ASKED = json.loads(Path(__file__).with_name("warm_up.json").read_text(encoding="utf-8"))


def opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses of this pod: past every proxy, and whatever name its certificate has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )


def body(prompt: object) -> bytes:
    """Return the request for a prompt: one token, the rest as it will be asked later."""
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": "Hello"}]
    request = prompt if isinstance(prompt, dict) else {"messages": messages}
    return json.dumps({"model": ASKED["model"], "max_tokens": 1, **request}).encode()


def headers(rank: int) -> dict[str, str]:
    """Return the headers that reach one of several engines, with the key when the release has one."""
    key = os.environ.get("VLLM_API_KEY")
    found = {"Content-Type": "application/json"}
    if key:
        found["Authorization"] = f"Bearer {key}"
    if ASKED["ranks"] > 1:
        found["X-data-parallel-rank"] = str(rank)
    return found


def problem() -> str:
    """Return why the pod is not ready yet, or an empty text."""
    door = opener()
    try:
        door.open(ASKED["url"] + ASKED["health"]).close()
    except (OSError, http.client.HTTPException) as error:
        return f"the engine does not answer yet: {error}"
    for number, prompt in enumerate(ASKED["prompts"], 1):
        for rank in range(ASKED["ranks"]):
            url = ASKED["url"] + "/v1/chat/completions"
            request = urllib.request.Request(url, body(prompt), headers(rank))  # noqa: S310 - its own engine
            try:
                with door.open(request) as response:
                    response.read()
            except urllib.error.HTTPError as error:
                told = error.read().decode(errors="replace")[:500]
                return f"prompt {number} of warmup.prompts: {error.code} {error.reason}: {told}"
            except (OSError, http.client.HTTPException) as error:
                return f"prompt {number} of warmup.prompts: {error}"
    return ""


said = problem()
sys.stdout.write(said)
sys.exit(said != "")
