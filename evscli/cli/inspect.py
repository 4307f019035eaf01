"""`evs inspect`: the contents of a store as a table, of one video in depth, or as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evscli.cli import options
from evscli.cli.command import command
from evscli.option import Option


@command
def inspect(
    store: Annotated[
        Path,
        typer.Argument(
            metavar="STORE",
            help="Store made by `evs prune`, a folder of several, or one shard file.",
        ),
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
    from evscli.cli import inspect_show

    if verify:
        raise typer.Exit(inspect_show.verify(store, video, as_json=as_json, processes=processes))
    inspect_show.show(store, video, as_json=as_json)
