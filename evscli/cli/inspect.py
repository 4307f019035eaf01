"""`evs inspect`: what a store holds, as a table, as one video in depth, or as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evscli.cli import options

if TYPE_CHECKING:
    from evscli.store import Store


def inspect(
    store: Annotated[Path, typer.Argument(help="Store made by `evs prune`, or one shard file.")],
    video: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Show this video in depth.")
    ] = None,
    as_json: options.Json = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every byte and list what is wrong.")
    ] = False,
) -> None:
    """Show what was kept: counts, the budget of every frame, where it came from.

    With --verify the exit code is 1 where anything is wrong.

    Example: evs inspect evs-out/mini-vcast-0.3 clip
    """
    from evscli.store import open_store

    opened = open_store(store)
    if verify:
        raise typer.Exit(_verify(opened, video, as_json=as_json))
    if video is None:
        _show_store(opened, as_json=as_json)
    else:
        _show_video(opened, video, as_json=as_json)


def _verify(store: Store, video: str | None, *, as_json: bool) -> int:
    """Print the problems; the exit code."""
    from evscli.cli.inspect_json import verify_document
    from evscli.cli.inspect_view import print_problems
    from evscli.store import verify

    problems = list(verify(store, only=video))
    checked = 1 if video else len(store)
    if as_json:
        _print_json(verify_document(problems, store=str(store.path), checked=checked))
    else:
        print_problems(problems, store=str(store.path), checked=checked)
    return 1 if problems else 0


def _show_store(store: Store, *, as_json: bool) -> None:
    from evscli.cli.inspect_json import store_document
    from evscli.cli.inspect_view import print_store
    from evscli.store.summary import summarize_store

    summary = summarize_store(store)
    if as_json:
        _print_json(store_document(summary))
    else:
        print_store(summary)


def _show_video(store: Store, video: str, *, as_json: bool) -> None:
    from evscli.cli.inspect_json import video_document
    from evscli.cli.inspect_view import print_video
    from evscli.store.summary import summarize_video

    summary = summarize_video(store, video)
    if as_json:
        _print_json(video_document(summary))
    else:
        print_video(summary)


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2))
