"""The files of a checkpoint: of a local folder, the bundled `mini`, or the hub.

Files are fetched one by one, so that of a hub checkpoint only what is asked for is downloaded.
Knows nothing about what the files hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError, safe_open

from evscli.bundled import MINI, MINI_FOLDER
from evscli.errors import ModelError, UsageError
from evscli.models.registry import EXAMPLE_ID
from evscli.texts import first_line

INDEX = "model.safetensors.index.json"
"""The file that says which of several files holds which weight."""

NUMBER = "__float__"
"""The key under which transformers writes a number that JSON has none for."""

SINGLE = "model.safetensors"
"""The file of all weights, where there is only one."""


class ModelFiles(Protocol):
    """The files of one checkpoint."""

    @property
    def name(self) -> str:
        """The name of the checkpoint in messages and shards; never an absolute path."""

    @property
    def place(self) -> str:
        """The place where files are looked for, in words that follow `is missing` in a message."""

    @property
    def pretrained(self) -> dict[str, str]:
        """The arguments of `from_pretrained` of transformers that load this very checkpoint."""

    def get(self, filename: str) -> Path | None:
        """Return a local path of the file, or None where the checkpoint has no such file."""

    def held(self, filename: str) -> Path | None:
        """Return the path as `get` does, but None for a file that is not on this machine yet."""


Model = str | Path | ModelFiles
"""A checkpoint as `find_model` takes it."""


def find_model(model: Model, *, revision: str | None = None) -> ModelFiles:
    """Resolve `mini`, a local folder or a hub id, in this order; `./mini` and a Path are folders.

    A checkpoint that is found already is returned as it is. Raises ModelError where there is no
    such checkpoint, and UsageError for a revision of a folder or a value of another type.
    """
    if not isinstance(model, str | Path):
        if not hasattr(model, "pretrained"):
            raise UsageError(
                f"model must be a folder, a hub id, or mini, got a {type(model).__name__}"
            )
        return model
    folder = Path(model).expanduser()
    if model == MINI:
        files: ModelFiles = LocalFolder(MINI_FOLDER, name=MINI)
    elif folder.is_dir():
        files = LocalFolder(folder, name=folder.resolve().name)
    else:
        return HubRepository(_checked_hub_id(model), revision=revision)
    if revision is not None:
        raise UsageError(f"{model} is a folder, which has no revision {revision!r}; leave it out")
    return files


def read_json(path: Path, *, model: str) -> dict[str, Any]:
    """Return the JSON object in a file of `model`. Raises ModelError where it holds none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"), object_hook=_without_tag)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{model}: {path.name} cannot be read ({error}); get the checkpoint again"
        ) from None
    if not isinstance(value, dict):
        raise ModelError(f"{model}: {path.name} is not a JSON object; get the checkpoint again")
    return value


def _without_tag(found: dict[str, Any]) -> Any:
    """Return an object of JSON as it is, or the number that transformers writes as one.

    JSON has neither Infinity nor NaN.
    """
    is_number = found.keys() == {NUMBER} and isinstance(found[NUMBER], str)
    return float(found[NUMBER]) if is_number else found


def weight_map(index: Path, *, model: str) -> dict[str, str]:
    """Return the file of each weight, from an index. Raises ModelError where it lists none."""
    names = read_json(index, model=model).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(file, str) for file in names.values()):
        raise ModelError(
            f"{model}: {index.name} does not say which file holds which weight; get the checkpoint "
            "again"
        )
    return names


@contextmanager
def opened_weights(path: Path, *, model: str) -> Iterator[Any]:
    """Open a safetensors file of `model`. Raises ModelError where it or a tensor cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{model}: {path.name} is damaged or incomplete ({error}); get the checkpoint again"
        ) from error


class LocalFolder:
    """A checkpoint in a folder of this machine."""

    place = "in its folder"

    def __init__(self, folder: Path, *, name: str) -> None:
        self.folder = folder
        self.name = name

    @property
    def pretrained(self) -> dict[str, str]:
        """The folder."""
        return {"pretrained_model_name_or_path": str(self.folder)}

    def get(self, filename: str) -> Path | None:
        """Return the file's path, or None where the folder has no such file."""
        path = self.folder / filename
        return path if path.is_file() else None

    held = get


class HubRepository:
    """A checkpoint on the hub; files land in the hub's own cache.

    Honours HF_ENDPOINT, HF_HUB_OFFLINE and HF_HUB_CACHE. All files come from the one commit that
    `revision` (default: main) names when the object is made.
    """

    def __init__(self, repo_id: str, *, revision: str | None = None) -> None:
        self.name = repo_id
        self._revision = revision
        config = self._download("config.json")
        if config is None:
            raise ModelError(f"{repo_id} has no config.json; name a model checkpoint")
        self._revision = config.parent.name

    @property
    def place(self) -> str:
        """The hub, or the cache where only that may be used."""
        offline = huggingface_hub.is_offline_mode()
        return "in the cache (HF_HUB_OFFLINE is set)" if offline else f"at {constants.ENDPOINT}"

    @property
    def pretrained(self) -> dict[str, str]:
        """The repository at the one commit."""
        assert self._revision is not None
        return {"pretrained_model_name_or_path": self.name, "revision": self._revision}

    def get(self, filename: str) -> Path | None:
        """Return the downloaded file, or None where the commit (or cache, offline) has none."""
        if self._cached(filename) is None:
            return self._download(filename)
        # Neither a path nor None: the cache knows that this commit has no such file.
        return self.held(filename)

    def held(self, filename: str) -> Path | None:
        """Return the file in the cache, or None; nothing is downloaded."""
        cached = self._cached(filename)
        return Path(cached) if isinstance(cached, str) else None

    def _cached(self, filename: str) -> object:
        cache = huggingface_hub.try_to_load_from_cache
        return cache(self.name, filename, revision=self._revision)

    def _download(self, filename: str) -> Path | None:
        try:
            fetched = huggingface_hub.hf_hub_download(self.name, filename, revision=self._revision)
        except LocalEntryNotFoundError as error:
            if isinstance(error.__cause__, OfflineModeIsEnabled) and filename != "config.json":
                return None
            raise ModelError(self._unreachable(filename)) from error
        except EntryNotFoundError:
            return None
        except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError) as error:
            raise ModelError(self._refused(error)) from error
        except Exception as error:  # any other failure of a download: HTTP status, disk, protocol
            raise ModelError(
                f"{self.name}: downloading {filename} failed ({first_line(error)}); "
                "run the command again"
            ) from error
        return Path(fetched)

    def _unreachable(self, filename: str) -> str:
        if filename == "config.json" and self._revision is not None:
            filename = f"{filename} of revision {self._revision!r}"
        if huggingface_hub.is_offline_mode():
            return (
                f"{self.name}: {filename} is not in the cache and HF_HUB_OFFLINE is set; "
                "unset it to download, or name a local folder"
            )
        return (
            f"{self.name}: {filename} is not in the cache and {constants.ENDPOINT} cannot be "
            "reached; check the connection, or set HF_HUB_OFFLINE=1 to use only what is cached"
        )

    def _refused(self, error: Exception) -> str:
        if isinstance(error, GatedRepoError):
            return (
                f"{self.name} is gated: accept its terms on its page and log in with "
                "`hf auth login`"
            )
        if isinstance(error, RevisionNotFoundError):
            return f"{self.name} has no revision {self._revision!r}; name a branch, tag or commit"
        return (
            f"{self.name}: no such folder here and no such model at {constants.ENDPOINT}; check "
            "the name, or log in with `hf auth login` if the model is private"
        )


def _checked_hub_id(model: str | Path) -> str:
    """Return `model` itself. Raises ModelError where it can only have been meant as a path."""
    if isinstance(model, Path) or Path(model).exists():
        what = "is a file" if Path(model).exists() else "does not exist"
        raise ModelError(f"{str(model)!r} {what}; give the model's folder, a hub id, or mini")
    try:
        validate_repo_id(model)
    except HFValidationError:
        raise ModelError(
            f"{model!r} is neither a folder nor a hub id; give a model folder, an id like "
            f"{EXAMPLE_ID}, or mini"
        ) from None
    return model
