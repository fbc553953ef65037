"""Sends a few requests to every model; runs in a pod of the release's image, with nothing but Python.

SERVICES: a JSON list of URLs. Prints one JSON line for each: what was asked, answered, and how long it took.
"""

import http.client
import json
import os
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

CLIENTS = 4  # at once: enough to be batched together
REQUESTS = 16
TOKENS = 16
TIMEOUT_SECONDS = 120


def connect(url: str) -> http.client.HTTPConnection:
    """A connection; what a certificate says is not looked at, its authority is unknown here."""
    parts = urlsplit(url)
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_SECONDS, context=context)


def ask(url: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """The status and the JSON that a server answers."""
    key = os.environ.get("VLLM_API_KEY")
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    connection = connect(url)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, sent, headers)
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    try:
        return response.status, json.loads(text)
    except ValueError:
        return response.status, {"error": text[:200].decode(errors="replace")}


def request(url: str, model: str, path: str) -> tuple[float, int, str]:
    """Seconds and tokens of one request, and what went wrong, if anything did."""
    body: dict[str, Any] = {"model": model, "input": "hello"}
    if path == "/v1/completions":
        body = {"model": model, "prompt": "Count from one:", "max_tokens": TOKENS}
    begin = time.monotonic()
    try:
        status, answer = ask(url, path, body)
    except (OSError, http.client.HTTPException) as error:
        return time.monotonic() - begin, 0, f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - begin
    if status != http.client.OK:
        return seconds, 0, f"HTTP {status}: {json.dumps(answer)[:200]}"
    return seconds, int((answer.get("usage") or {}).get("completion_tokens") or 0), ""


def measure(url: str) -> dict[str, Any]:
    """What a model answered."""
    try:
        status, answer = ask(url, "/v1/models")
        if status != http.client.OK:
            return {"url": url, "asked": 1, "answered": 0, "error": f"/v1/models: HTTP {status}"}
        model = answer["data"][0]["id"]
        # A server of embeddings has no completions, and says so with 404.
        status, _ = ask(url, "/v1/completions", {"model": model, "prompt": "Hello", "max_tokens": 1})
    except (OSError, http.client.HTTPException, LookupError, TypeError) as error:
        return {"url": url, "asked": 1, "answered": 0, "error": f"{type(error).__name__}: {error}"}
    path = "/v1/embeddings" if status == http.client.NOT_FOUND else "/v1/completions"
    begin = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        results = list(pool.map(lambda _: request(url, model, path), range(REQUESTS)))
    elapsed = time.monotonic() - begin
    times = sorted(seconds for seconds, _, error in results if not error)
    errors = [error for _, _, error in results if error]
    return {
        "url": url,
        "model": model,
        "path": path,
        "asked": REQUESTS,
        "answered": len(times),
        "median_seconds": round(times[len(times) // 2], 3) if times else None,
        "longest_seconds": round(times[-1], 3) if times else None,
        "tokens_per_second": round(sum(tokens for _, tokens, _ in results) / elapsed, 1),
        "error": errors[0] if errors else "",
    }


def main() -> None:
    """Ask every Service in turn."""
    for url in json.loads(os.environ["SERVICES"]):
        sys.stdout.write(json.dumps(measure(url)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
