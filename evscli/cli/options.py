"""The options of the commands: name, type and help of each, in one place."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class ResizePlace(StrEnum):
    """Where frames are resized."""

    cpu = "cpu"
    device = "device"


Inputs = Annotated[list[str], typer.Argument(metavar="INPUT...", help="Videos, folders or globs.")]
Method = Annotated[str, typer.Option(help="Pruning method; `evs methods` lists them.")]
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="FRACTION", help="Fraction of tokens kept, 0 < budget <= 1; `none` needs none."
    ),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="METHOD",
        help="Method to measure; may be repeated. Default: evs and vcast. Unpruned and random are "
        "always measured too.",
    ),
]
Budgets = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="FRACTION",
        help="Fraction of tokens kept, 0 < budget <= 1; may be repeated. Default: 0.1, 0.25, 0.5 "
        "and 0.75.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(help="Checkpoint: a local folder or a hub id. Default: the bundled mini."),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o", "--output", metavar="DIR", help="Store. Default: evs-out/MODEL-METHOD-BUDGET."
    ),
]
MethodOptions = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="Option of the method; may be repeated."),
]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of random methods.")]
Scores = Annotated[bool, typer.Option("--scores", help="Store every token's score too.")]
Fps = Annotated[float | None, typer.Option(help="Frames per second to sample.")]
NumFrames = Annotated[int | None, typer.Option(help="Frames to sample per video.")]
MaxFrames = Annotated[int | None, typer.Option(help="Most frames to sample.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Dtype = Annotated[
    str, typer.Option(help="auto (the checkpoint's own), float32, bfloat16 or float16.")
]
ChunkFrames = Annotated[int, typer.Option(help="Frames encoded at a time.")]
Resize = Annotated[ResizePlace, typer.Option(help="cpu is exact; device is faster, approximate.")]
CheckSources = Annotated[
    bool, typer.Option("--check-sources", help="Hash finished videos again before skipping.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
