"""Fetches a model once into a folder of a claim; run by the download Job.

SOURCE (hf://org/name or s3://bucket/path), REVISION and EXCLUDE (a JSON list of patterns) say what, TARGET says
where to. The files arrive in TARGET.partial, which becomes TARGET when all of them are there: a TARGET that exists
is whole, and an interrupted download keeps the files that were. Exit codes: 0 the model is there, 1 try again,
3 another try cannot help.
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import sys
from fnmatch import fnmatch
from glob import escape
from pathlib import Path

STAGING = ".cache"  # where both clients keep what is not whole yet, inside of the partial folder
REFUSED = 3


class RefusedError(Exception):
    """Another try cannot help; the message says what to set."""


def say(text: str) -> None:
    """Print at once: the last lines are what the pod's status shows."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def gib(size: int) -> str:
    """A size in bytes as text."""
    return f"{size / 2**30:.1f} GiB"


def wanted(names: dict[str, int | None]) -> dict[str, int | None]:
    """The files, name to bytes if known, that no pattern excludes and that stay inside of the folder."""
    patterns = json.loads(os.environ.get("EXCLUDE") or "[]")
    kept = {name: size for name, size in names.items() if not any(fnmatch(name, p) for p in patterns)}
    for name in kept:
        if name.startswith("/") or ".." in Path(name).parts:
            raise RefusedError(f"the file {name!r} leads out of its folder")
    if not kept:
        raise RefusedError("no file is there; check source.uri and source.job.exclude")
    return kept


def missing(folder: Path, files: dict[str, int | None]) -> dict[str, int | None]:
    """The files that are not in the folder with their full size."""
    return {
        name: size
        for name, size in files.items()
        if not (folder / name).is_file() or size not in (None, (folder / name).stat().st_size)
    }


def total(files: dict[str, int | None]) -> int:
    """Bytes of the files, as far as they are known."""
    return sum(size or 0 for size in files.values())


def require_room(folder: Path, needed: int) -> None:
    """Refuse before the first byte when the claim is too small."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise RefusedError(f"needs {gib(needed)}, the claim has {gib(free)} free; enlarge the claim")


def fetch_hugging_face(name: str, folder: Path) -> dict[str, int | None]:
    """Fetch a repository; returns its files."""
    from huggingface_hub import HfApi, snapshot_download  # noqa: PLC0415 - only one client is needed
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    revision = os.environ.get("REVISION") or None
    try:
        info = HfApi().repo_info(name, revision=revision, files_metadata=True)
        files = wanted({file.rfilename: file.size for file in info.siblings or []})
        if left := missing(folder, files):
            require_room(folder, total(left))
            say(f"fetching {len(left)} of {len(files)} files, {gib(total(left))}, commit {info.sha}")
            snapshot_download(
                name, revision=info.sha, local_dir=folder, allow_patterns=[escape(name) for name in left]
            )
    except HfHubHTTPError as error:
        refuse(error.response.status_code, f"revision {revision}" if revision else "default revision", error)
    return files


def refuse(status: int, what: str, error: Exception) -> None:
    """Raise RefusedError for an answer that stays the same, else the error itself."""
    if status in (401, 403):
        sent = "the token may not read it" if os.environ.get("HF_TOKEN") else "no token was sent"
        raise RefusedError(
            f"answered {status}: {sent}, or no such model; check source.uri, set secrets.huggingFace to a token"
            " with access, and accept the licence on the model's page"
        ) from error
    if status == 404:
        raise RefusedError(
            f"answered 404: no such model or {what}; check source.uri and source.revision"
        ) from error
    raise error


def fetch_s3(path: str, folder: Path) -> dict[str, int | None]:
    """Fetch everything under bucket/path; returns the files."""
    import boto3  # noqa: PLC0415 - only one client is needed
    from botocore.exceptions import ClientError, NoCredentialsError  # noqa: PLC0415

    bucket, _, prefix = path.partition("/")
    prefix = prefix.rstrip("/") + "/"
    try:
        client = boto3.client("s3")
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        objects = [entry for page in pages for entry in page.get("Contents", [])]
        files = wanted({o["Key"][len(prefix) :]: o["Size"] for o in objects if not o["Key"].endswith("/")})
        left = missing(folder, files)
        require_room(folder, total(left))
        say(f"fetching {len(left)} of {len(files)} files, {gib(total(left))}")
        for name in left:
            for place in (folder / STAGING / name, folder / name):
                place.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, prefix + name, str(folder / STAGING / name))
            (folder / STAGING / name).rename(folder / name)
    except NoCredentialsError as error:
        what = "set source.objectStorage.existingSecret, or serviceAccount.annotations"
        raise RefusedError(f"no credentials were found; {what}") from error
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        code = error.response["Error"]["Code"]
        if status in (401, 403):
            what = "check the keys in source.objectStorage.existingSecret and their policy"
            raise RefusedError(f"answered {code}: the credentials may not read it; {what}") from error
        if status == 404:
            raise RefusedError(f"answered {code}: no such bucket or file; check source.uri") from error
        raise
    return files


def fetch(source: str, target: Path) -> None:
    """Fetch the source into TARGET.partial, check every size, and give it its name."""
    clients = {"hf://": fetch_hugging_face, "s3://": fetch_s3}
    scheme = next(scheme for scheme in clients if source.startswith(scheme))
    partial = target.with_name(target.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    turn = os.open(partial, os.O_RDONLY)
    with contextlib.suppress(
        OSError
    ):  # a file system without locks: two Jobs would fetch the same bytes twice
        fcntl.flock(turn, fcntl.LOCK_EX)
    if target.is_dir():
        return
    shutil.rmtree(
        partial / STAGING, ignore_errors=True
    )  # no client goes on with half a file of another process
    files = clients[scheme](source.removeprefix(scheme), partial)
    if left := missing(partial, files):
        raise OSError(f"{len(left)} files are not whole, {next(iter(left))} for one")
    shutil.rmtree(partial / STAGING, ignore_errors=True)
    partial.rename(target)


def main() -> int:
    """Returns the exit code; the last line printed says why."""
    source, target = os.environ["SOURCE"], Path(os.environ["TARGET"])
    if target.is_dir():
        say(f"{source} is in {target} already")
        return 0
    try:
        fetch(source, target)
    except RefusedError as error:
        say(f"{source}: {error}")
        return REFUSED
    except ImportError as error:
        say(f"{source}: the image has no {error.name}; set source.job.image to one that has it")
        return REFUSED
    except Exception as error:  # noqa: BLE001 - whatever a client raises is told in one line and tried again
        return explain(source, error)
    say(f"{source} is in {target}")
    return 0


def explain(source: str, error: Exception) -> int:
    """Say what failed; returns the exit code."""
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT):
        say(f"{source}: the claim is full; enlarge it, the files that are whole are kept")
        return REFUSED
    if code in (errno.EACCES, errno.EROFS, errno.EPERM):
        say(
            f"{source}: user {os.getuid()} may not write to the claim ({error}); give it to group {os.getgid()}"
        )
        return REFUSED
    say(f"{source}: {type(error).__name__}: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
