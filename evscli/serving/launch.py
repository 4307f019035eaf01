"""The start of vLLM's server for stores: what it is given, and what is checked before.

The server is one of vLLM, in a process of its own; nothing of vLLM is imported here.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evscli.bundled import MINI, MINI_FOLDER, usual_question
from evscli.encoders.files import find_model
from evscli.errors import ModelError, StoreError, UsageError
from evscli.models import family_of
from evscli.records import ModelInfo
from evscli.serving.access import SERVED, STORES_ONLY, named_stores
from evscli.serving.address import VideoAddress
from evscli.serving.weights import check_served
from evscli.store import Store, open_store

SERVER = "vllm.entrypoints.launchers.api_server.entry"
"""The module that starts the server of the API of OpenAI."""

OPEN = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
"""The addresses that stand for every interface, and those at which this machine answers them."""

OWN = {f"--{name}": f"--{name}" for name in ("host", "port", "model")}
OWN |= {"--served-model-name": "--model", "--limit-mm-per-prompt": "--raw"}
"""The options of vLLM's server that `evs serve` gives, and its own for them."""

PRUNING = "--video-pruning-rate"
"""The option of vLLM that prunes videos which it encodes."""

CONNECTOR = ("EvsECConnector", "evscli.serving.vllm.cache")
"""The connector of encoder caches, and the module that holds it."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server of vLLM for some stores, with one model."""

    stores: Mapping[str, Path]
    """The stores by the name that requests give them."""
    model: str
    """The hub id or the folder of the checkpoint."""
    name: str
    """The name of the model in requests."""
    first: str
    """The name of a store, for a request to try."""
    video_id: str
    """The id of a video of that store."""
    host: str = "127.0.0.1"
    port: int = 8000
    raw: int = 0
    """The images and videos that are not of stores that a prompt may hold."""
    after_video: str = "vllm"
    options: Sequence[str] = ()
    """Further options of vLLM's server."""

    @property
    def command(self) -> list[str]:
        """The words of the command. Its last options are those that the user gave."""
        limits = {"image": self.raw, "video": self.raw, "audio": 0}
        given: dict[str, Any] = {
            "model": self.model,
            "served-model-name": self.name,
            "host": self.host,
            "port": self.port,
            "limit-mm-per-prompt": json.dumps(limits),
        }
        if not self.raw:
            given["ec-transfer-config"] = json.dumps(self._connector())
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        return [sys.executable, "-m", SERVER, *words, "--enable-mm-embeds", *self.options]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the server is given besides those of this process."""
        plugins = os.environ.get("VLLM_PLUGINS")
        chosen = {} if plugins is None else {"VLLM_PLUGINS": f"{plugins},evs".lstrip(",")}
        return {
            **({} if self.raw else {STORES_ONLY: "1"}),
            **chosen,  # where only some are wanted, the one of evs has to be
            "VLLM_MEDIA_CONNECTOR": "evs",
            "EVS_AFTER_VIDEO": self.after_video,
            SERVED: json.dumps({name: str(path) for name, path in self.stores.items()}),
        }

    @property
    def request(self) -> str:
        """A shell command that asks the server about a video."""
        kind = "video_url" if self.raw else "video_embeds"
        url = VideoAddress(store=self.first, id=self.video_id).url
        video = {"type": kind, kind: {"url": url} if self.raw else url}
        question = {"type": "text", "text": usual_question(self.name)}
        body = {
            "model": self.name,
            "messages": [{"role": "user", "content": [video, question]}],
            "temperature": 0,
        }
        host = OPEN.get(self.host, self.host)
        address = f"http://{host}:{self.port}/v1/chat/completions"
        words = ["curl", address, "-H", "Content-Type: application/json", "-d", json.dumps(body)]
        return shlex.join(words)

    def check_port(self) -> None:
        """Raise UsageError where the server could not listen, which vLLM finds out late."""
        try:
            family, kind, *_, address = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM
            )[0]
            with socket.socket(family, kind) as found:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                found.bind(address)
        except OSError as error:
            raise UsageError(
                f"the server cannot listen on {self.host} port {self.port} ({error.strerror}): "
                "give others by --host and --port"
            ) from None

    def run(self) -> None:
        """Run the server in place of this program: the process goes on as that of vLLM."""
        os.execve(sys.executable, self.command, {**os.environ, **self.environment})

    def _connector(self) -> dict[str, Any]:
        name, module = CONNECTOR
        return {
            "ec_connector": name,
            "ec_connector_module_path": module,
            "ec_role": "ec_consumer",
            "ec_connector_extra_config": {"stores": [str(path) for path in self.stores.values()]},
        }


def plan_server(paths: Sequence[Path], model: str | None, **settings: Any) -> Server:
    """Return the server for stores, once the model is known to have made their tokens.

    Without a model it is that of the stores. Raises StoreError for a folder without a store or a
    video, UsageError for two stores of one name or of two models, ModelError and WrongModelError.
    """
    stores = {name: open_store(path) for name, path in named_stores(paths).items()}
    check_options(settings.get("options", ()))
    first, video_id, info = example(stores)
    check_family(info.model_type)
    model = model or info.name
    files = find_model(model)
    local = Path(model).resolve() if Path(model).is_dir() else model
    folder = str(MINI_FOLDER if model == MINI else local)
    for store in stores.values():
        check_served(store.info(next(iter(store))).model, folder)
    return Server(
        stores={name: store.path for name, store in stores.items()},
        model=folder,
        name=Path(files.name).name if Path(folder).is_dir() else model,
        first=first,
        video_id=video_id,
        **settings,
    )


def check_family(model_type: str) -> None:
    """Raise ModelError for a family whose class in vLLM the plugin does not replace."""
    if "vLLM" not in family_of(model_type, model="the store").served:
        raise ModelError(
            f"stores of {model_type} are not served by vLLM yet: prefill from them in transformers "
            "(evs ask), or see docs/models.md for families that are"
        )


def check_options(words: Sequence[str]) -> None:
    """Raise UsageError for options of vLLM that `evs serve` gives, or that stores rule out."""
    given = {word.partition("=")[0].replace("_", "-") for word in words}
    if own := sorted(given & OWN.keys()):
        raise UsageError(f"--vllm has {own[0]}, which evs serve gives vLLM: use {OWN[own[0]]}")
    if PRUNING in given:
        raise UsageError(
            f"--vllm has {PRUNING}, which is for videos that vLLM encodes: leave it out, and ask "
            "for a smaller budget in the address"
        )


def example(stores: Mapping[str, Store]) -> tuple[str, str, ModelInfo]:
    """Return a store by its name, a video of it, and the model that made the stores.

    Raises UsageError where stores are of several models, StoreError for one without a video.
    """
    models = {}
    for store in stores.values():
        if not len(store):
            raise StoreError(
                f"{store.path} holds no video that is whole: run evs inspect {store.path}, which "
                "says what it lacks, and serve it then"
            )
        model = store.info(next(iter(store))).model
        models[model.vision_sha256] = model
    if len(models) > 1:
        names = ", ".join(model.name for model in models.values())
        raise UsageError(f"the stores are of several models ({names}): serve those of one")
    name, first = next(iter(stores.items()))
    return name, next(iter(first)), next(iter(models.values()))
