"""`evs serve`: vLLM's server of the API of OpenAI, for videos of stores."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from evscli.cli import options
from evscli.cli.command import command
from evscli.cli.notes import note
from evscli.errors import UsageError
from evscli.option import Option

Stores = Annotated[
    list[Path], typer.Argument(metavar="STORE...", help="Stores made by `evs prune`, of one model.")
]
Host = Annotated[str, Option("Address to listen on.", metavar="HOST")]
Port = Annotated[int, Option("Port to listen on.", metavar="N", least=1, below=65536)]
Raw = Annotated[
    int,
    Option(
        "Images, and videos with those of stores, that a prompt may hold; more than 0 loads the "
        "vision tower, for those of no store.",
        metavar="N",
        least=0,
    ),
]
AfterVideo = Annotated[
    Literal["vllm", "transformers"],
    Option(
        "Rule for the positions of text after a video, where a model has two: that of vLLM and "
        "transformers 4, or that of transformers 5 and `evs ask`."
    ),
]
EngineOptions = Annotated[
    str | None,
    Option(
        "More options of vLLM's server, as one text, such as '--max-model-len 32768'.",
        names=("--vllm",),
        metavar="OPTIONS",
    ),
]
Show = Annotated[bool, Option("Print the command and its variables instead of running it.")]
AsJson = Annotated[
    bool,
    Option(
        "Print command, variables and a request as one JSON document instead of running it.",
        names=("--json",),
    ),
]


@command
def serve(
    stores: Stores,
    model: options.LanguageModel = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    raw: Raw = 0,
    after_video: AfterVideo = "vllm",
    vllm: EngineOptions = None,
    show: Show = False,
    as_json: AsJson = False,
) -> None:
    """Start a server whose language model answers about the videos of stores (vLLM).

    Requests name a video by evs:STORE#ID, or evs:STORE#ID?budget=0.1 in a store of nested masks,
    as video_embeds or in the url of a video_url. STORE is the name of its folder. No vision tower
    is loaded, and no video is read.

    Needs vLLM: pip install 'evscli[vllm]'.

    Example: evs serve evs-out/mini-vcast-0.3
    """
    from evscli.serving.launch import plan_server
    from evscli.serving.vllm import check_version, installed_version

    settings = {"host": host, "port": port, "raw": raw, "after_video": after_video}
    server = plan_server(stores, model, **settings, options=words_of(vllm or ""))
    if as_json:
        print(
            json.dumps(
                {
                    "command": server.command,
                    "environment": server.environment,
                    "request": server.request,
                },
                indent=2,
            )
        )
    elif show:
        variables = [f"{name}={shlex.quote(value)}" for name, value in server.environment.items()]
        print(" ".join([*variables, shlex.join(server.command)]))
    else:
        check_version(installed_version())
        note("the server takes a minute to start; then ask it, for example:")
        print(server.request, flush=True)
        server.run()


def words_of(text: str) -> list[str]:
    """Return the words of a text of options. Raises UsageError for quotes that do not close."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(
            f"--vllm {text!r} cannot be split into options ({error}): write it as in a shell"
        ) from None
