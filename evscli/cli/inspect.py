"""`evs inspect`: the contents of a store as a table, of one video in depth, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evscli.cli import options
from evscli.cli.command import command
from evscli.option import Option

if TYPE_CHECKING:
    from evscli.store import Store


@command
def inspect(
    store: Annotated[
        Path,
        typer.Argument(help="Store made by `evs prune`, a folder of several, or one shard file."),
    ],
    video: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Show this video in depth.")
    ] = None,
    as_json: options.Json = False,
    verify: Annotated[
        bool, Option("Read every byte and list what is wrong.", names=("--verify",))
    ] = False,
    processes: Annotated[
        int | None,
        Option("Processes that verify. Default: one for every core.", metavar="N", least=1),
    ] = None,
) -> None:
    """Show the contents of a store: counts, the budget of every frame, the origin.

    A video that failed is shown with its reason and the place in the code.

    A folder of stores, as several methods or budgets leave it, has a line for each. With --verify
    shards are read in parallel, and the exit code is 1 where anything is wrong.

    Example: evs inspect evs-out/mini-vcast-0.3 clip

    Example: evs inspect --verify evs-out
    """
    from evscli.store import find_stores, open_store

    several = find_stores(store) if video is None else []
    if verify:
        raise typer.Exit(_verify(several or [store], video, as_json=as_json, processes=processes))
    if several:
        _show_stores(several, as_json=as_json)
    elif video is None:
        _show_store(open_store(store), as_json=as_json)
    else:
        opened = open_store(store)
        show = _show_failure if video in opened.failures else _show_video
        show(opened, video, as_json=as_json)


def _verify(
    stores: Sequence[Path], video: str | None, *, as_json: bool, processes: int | None
) -> int:
    """Print the problems and return the exit code."""
    from evscli.cli.inspect_json import verify_document
    from evscli.cli.inspect_verify import verify_stores
    from evscli.cli.inspect_view import print_problems

    verified = verify_stores(stores, video, processes=processes)
    if as_json:
        documents = [verify_document(one) for one in verified]
        _print_json(documents[0] if len(documents) == 1 else documents)
    else:
        for one in verified:
            print_problems(one, named=len(verified) > 1)
    return 1 if any(one.problems for one in verified) else 0


def _show_stores(stores: Sequence[Path], *, as_json: bool) -> None:
    from evscli.cli.inspect_json import store_document
    from evscli.cli.inspect_stores import print_stores
    from evscli.store import open_store
    from evscli.store.summary import summarize_store

    summaries = [summarize_store(open_store(path)) for path in stores]
    if as_json:
        _print_json([store_document(summary) for summary in summaries])
    else:
        print_stores(summaries)


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


def _show_failure(store: Store, video: str, *, as_json: bool) -> None:
    from evscli.cli.inspect_view import print_failure
    from evscli.store.codec import to_json
    from evscli.store.failures import read_traceback

    failure = store.failures[video]
    known = replace(failure, traceback=read_traceback(store.path, failure))
    if as_json:
        _print_json(to_json(known))
    else:
        print_failure(known)


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2))
