"""`evs serve`: vLLM's server of the API of OpenAI, for videos of stores."""

from __future__ import annotations

import json
import shlex

from evscli.cli import options
from evscli.cli.command import command
from evscli.cli.notes import note
from evscli.errors import UsageError


@command
def serve(
    stores: options.ServedStores,
    model: options.LanguageModel = None,
    host: options.Host = "127.0.0.1",
    port: options.Port = 8000,
    raw: options.RawItems = 0,
    after_video: options.AfterVideo = "vllm",
    vllm: options.EngineOptions = None,
    show: options.ShowCommand = False,
    as_json: options.ServerJson = False,
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
        server.check_port()
        note("the server takes one to three minutes to start; then ask it, for example:")
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
