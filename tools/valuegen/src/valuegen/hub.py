"""The one door to the network: configuration files of a Hugging Face Hub model, never its weights."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from valuegen.errors import ModelError

OFFLINE_FIX = "give a directory with its config.json, or a name of `valuegen models`"


def fetch(repo_id: str, filename: str, *, revision: str | None = None) -> Path | None:
    """Path of a cached copy of one small file of the repository; None if the repository has no such file.

    Raises ModelError when huggingface_hub is missing, the repository cannot be read, or the Hub
    cannot be reached and the file is not in its cache. HF_TOKEN, HF_HOME and HF_HUB_OFFLINE apply.
    """
    try:
        # An optional extra, and slow to import.
        huggingface_hub = import_module("huggingface_hub")
        errors = import_module("huggingface_hub.errors")
    except ImportError:
        raise ModelError(
            f"{repo_id}: not in the catalogue, and reading the Hugging Face Hub needs huggingface_hub",
            f"pip install 'valuegen[hub]', or {OFFLINE_FIX}",
        ) from None

    huggingface_hub.logging.set_verbosity_error()  # retries are no news for the user
    try:
        return Path(huggingface_hub.hf_hub_download(repo_id, filename, revision=revision))
    except errors.LocalEntryNotFoundError:
        # Offline; the cache also remembers which files a repository does not have.
        cached = huggingface_hub.try_to_load_from_cache(repo_id, filename, revision=revision)
        if cached is not None:
            return None
        raise ModelError(f"{repo_id}: the Hugging Face Hub cannot be reached", OFFLINE_FIX) from None
    except errors.EntryNotFoundError:
        return None
    except errors.GatedRepoError:
        raise ModelError(
            f"{repo_id}: the repository is gated", "accept its licence on the Hub and set HF_TOKEN"
        ) from None
    except errors.RepositoryNotFoundError:
        raise ModelError(
            f"{repo_id}: no such repository on the Hugging Face Hub, or it is private",
            f"check the name, set HF_TOKEN, or {OFFLINE_FIX}",
        ) from None
    except errors.RevisionNotFoundError:
        raise ModelError(f"{repo_id}: no revision {revision}", "check --revision") from None
    except (OSError, errors.HfHubHTTPError, errors.HFValidationError) as error:
        detail = str(error).partition("\n")[0]
        raise ModelError(f"{repo_id}: the Hugging Face Hub cannot be read ({detail})", OFFLINE_FIX) from None
