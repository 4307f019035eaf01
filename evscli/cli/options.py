"""The options of the commands: name, type and help of each, in one place."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ResizePlace(StrEnum):
    """Where frames are resized."""

    cpu = "cpu"
    device = "device"


class StoreDtypes(StrEnum):
    """What shards keep tokens in."""

    auto = "auto"
    bfloat16 = "bfloat16"
    float16 = "float16"
    float8 = "float8"
    int8 = "int8"


class DamagedPolicy(StrEnum):
    """What to do with damaged videos."""

    trim = "trim"
    skip = "skip"
    fail = "fail"


class SampledBy(StrEnum):
    """Among what frames are spread evenly."""

    index_ = "index"
    time = "time"


class IdRules(StrEnum):
    """What ids videos get."""

    name = "name"
    suffix = "suffix"
    tar = "tar"

    @property
    def recorded(self) -> str | None:
        """What a store's settings say of it: nothing of the usual one."""
        return None if self is IdRules.name else self.value


class EngineKind(StrEnum):
    """Where workers run."""

    local = "local"
    ray = "ray"


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Videos, folders, globs, lists (.txt, .csv, .jsonl, .parquet), tars of videos, any of "
        "these at an address, or - for a list on standard input.",
    ),
]
Ids = Annotated[
    IdRules,
    typer.Option(
        help="Ids of videos. name: the path below the input, without ending; suffix: with it; "
        "tar: the tar's name before the member's.",
    ),
]
PruneMethods = Annotated[
    list[str],
    typer.Option("--method", metavar="METHOD", help="`evs methods` lists them; may be repeated."),
]
PruneBudgets = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="BUDGET",
        help="What is kept: a fraction (0.3), tokens of a video (4096tok) or a second (256tok/s), "
        "or a range to draw a fraction from (0.1:0.9); may be repeated.",
    ),
]
BudgetDist = Annotated[
    str | None,
    typer.Option(metavar="DIST", help="How to draw from a range: uniform (default) or beta:A,B."),
]
PruneAt = Annotated[
    int | None,
    typer.Option(
        metavar="BLOCK",
        help="Prune inside the encoder, after this block counted from 0. Default: after all of "
        "it; stts and window-diff after 3.",
    ),
]
Scorer = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Weights for stts: a safetensors file or a checkpoint. Default: the model's own.",
    ),
]
Query = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Question for cdpruner and semvid.")
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
StoreDtype = Annotated[
    StoreDtypes,
    typer.Option(
        help="What shards keep tokens in; auto: the dtype that they have. float8 and int8 have a "
        "scale for every token. What that does to the next token is measured and printed.",
    ),
]
Fps = Annotated[float | None, typer.Option(help="Frames per second to sample.")]
NumFrames = Annotated[int | None, typer.Option(help="Frames to sample per video.")]
MaxFrames = Annotated[int | None, typer.Option(help="Most frames to sample.")]
SampleBy = Annotated[
    SampledBy,
    typer.Option(
        help="index: frames evenly spread by their number, as processors do; time: those shown at "
        "even instants, for videos whose frames are far from even.",
    ),
]
Damaged = Annotated[
    DamagedPolicy,
    typer.Option(
        help="trim: leave out frames at the end that do not decode, and fail a video that is "
        "damaged elsewhere; skip: leave damaged frames out wherever they are; fail: fail a video "
        "for any damage. The last two decode everything once more.",
    ),
]
MinPixels = Annotated[int | None, typer.Option(help="Pixels that a resized frame has at least.")]
MaxPixels = Annotated[int | None, typer.Option(help="Pixels that a resized frame has at most.")]
TotalPixels = Annotated[
    int | None,
    typer.Option(help="Pixels that all sampled frames of a video have together at most."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Dtype = Annotated[
    str,
    typer.Option(
        help="auto (the checkpoint's own; an encoder computes in float32 where the device has no "
        "arithmetic units for that), float32, bfloat16 or float16.",
    ),
]
ChunkFrames = Annotated[int, typer.Option(help="Frames encoded at a time.")]
Resize = Annotated[ResizePlace, typer.Option(help="cpu is exact; device is faster, approximate.")]
CheckSources = Annotated[
    bool, typer.Option("--check-sources", help="Hash finished videos again before skipping.")
]
EngineName = Annotated[
    EngineKind, typer.Option("--engine", help="local: on this machine; ray: on a Ray cluster.")
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="The Ray cluster's, or local. Default: that of RAY_ADDRESS or of this machine, or "
        "else a new one here.",
    ),
]
ShardOf = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Do this share of the videos only, 0/8 to 7/8, into a store that all share; slurm: "
        "that of the job array's task.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes that encode. Default: one for each GPU that may be used; without any GPU "
        "one, with --engine ray one for each node.",
    ),
]
DecodeProcesses = Annotated[
    int | None,
    typer.Option(min=1, help="Processes that decode. Default: one less than there are cores."),
]
Segment = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="Cut videos every so many seconds; each segment is sampled as a video of its own, "
        "with the id video@start-end.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="Give a video up whose decoder takes longer. Default: 600 and its own length.",
    ),
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Try videos again that failed in earlier runs.")
]
MaxAttempts = Annotated[
    int,
    typer.Option(min=1, help="Tries of a failing video in all runs; with --retry-failed in this."),
]
JsonEvents = Annotated[
    bool, typer.Option("--json", help="Print events as they happen, one JSON object a line.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

# evs plan

PlanMethods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="METHOD",
        help="As for `evs prune`; may be repeated. Default: none, which keeps every token.",
    ),
]
SampleSize = Annotated[
    str | None,
    typer.Option(
        "--sample",
        metavar="N",
        help="Most videos to look into, or all; the rest is estimated from them. Default: 200, or "
        "20 where some must be downloaded.",
    ),
]
NoCalibrate = Annotated[
    bool,
    typer.Option("--no-calibrate", help="Leave the time out, for which a few videos are pruned."),
]

# evs ask

Store = Annotated[Path, typer.Argument(metavar="STORE", help="Store made by `evs prune`.")]
QuestionWords = Annotated[
    list[str],
    typer.Argument(
        metavar="[ID] QUESTION",
        help="The question in quotes; before it the video's id, where the store holds several.",
    ),
]
LanguageModel = Annotated[
    str | None,
    typer.Option(
        "--model", help="Checkpoint: a local folder or a hub id. Default: the store's own model."
    ),
]
MaxNewTokens = Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")]
RealTimes = Annotated[
    bool, typer.Option("--real-times", help="Write true presentation times into the prompt.")
]
ForceModel = Annotated[
    bool, typer.Option("--force-model", help="Go on with a model whose vision weights differ.")
]

# evs eval

Questions = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.jsonl",
        help="Your own questions, one a line: video, question, options, answer, kind.",
    ),
]
Videos = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Without --questions: held-out procedural videos to ask mini about. Default: 100.",
    ),
]
Baselines = Annotated[
    bool,
    typer.Option(
        "--baselines",
        help="Without --questions: also ask without visual tokens, with the first frame only and "
        "with the frames shuffled.",
    ),
]
Diagnostics = Annotated[
    bool,
    typer.Option(
        "--diagnostics",
        help="Without --questions: also correlate diagnostics of the masks with accuracy.",
    ),
]
PerToken = Annotated[
    bool,
    typer.Option(
        "--per-token",
        help="Score an option by its tokens' mean log-likelihood instead of the sum.",
    ),
]
Results = Annotated[
    str, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")
]
EvaluationSeed = Annotated[
    int,
    typer.Option(
        "--seed",
        min=0,
        max=2**32 - 1,
        help="Seed of random methods; without --questions of the procedural videos too.",
    ),
]

# evs compare

CompareMethods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="METHOD",
        help="Method to compare; may be repeated. Default: evs, vcast, vidcom2 and uniform-grid. "
        "Random is always compared too.",
    ),
]
CompareBudgets = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="BUDGET",
        help="As for `evs prune`; may be repeated. Default: 0.1, 0.25 and 0.5.",
    ),
]
Question = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="Prompt after which the next token is compared. Default: one that the model knows.",
    ),
]
NoLanguage = Annotated[
    bool,
    typer.Option("--no-language", help="Leave the language model out: no KL, no same token."),
]

# evs train

Run = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="DIR",
        help="Folder of the run: its checkpoint, then DIR/mini and DIR/report.json.",
    ),
]
Steps = Annotated[int, typer.Option(min=1, help="Batches to learn from.")]
More = Annotated[
    int,
    typer.Option(
        min=0,
        help="Steps behind these, in which the learning rate rises and falls once more; a finished "
        "run may be given some too.",
    ),
]
TrainingSeed = Annotated[
    int,
    typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of the weights and the videos."),
]
Rate = Annotated[float, typer.Option(help="Highest learning rate.")]
BatchTokens = Annotated[
    int, typer.Option("--tokens", min=1, help="Visual tokens in a batch, about.")
]
Looks = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="First steps, in which only the vision tower learns. Default: a fifth of them.",
    ),
]
View = Annotated[
    str,
    typer.Option(
        help="What is left of every video: whole, first-frame or shuffled-frames, to see what can "
        "be answered without the rest."
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads that compute. Default: one for every core.")
]
Processes = Annotated[
    int, typer.Option(min=0, help="Processes that draw videos meanwhile; 0: none beside it.")
]
HeldOut = Annotated[
    int,
    typer.Option(
        "--held-out", min=0, help="Videos to ask about when it is trained; 0 asks about none."
    ),
]

SeenStore = Annotated[Path, typer.Argument(metavar="STORE", help="Store made by `evs prune`.")]
SeenVideo = Annotated[
    str | None,
    typer.Argument(metavar="[ID]", help="Video to draw; may be left out where there is one only."),
]
Picture = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="What to write: .png is a contact sheet, .mp4 an overlay video, .html a report.",
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        metavar="STORE", help="Compare with this store: kept by both, by one of them, by neither."
    ),
]
Beside = Annotated[
    list[Path] | None,
    typer.Option(metavar="STORE", help="Show this store beside, in a report; may be repeated."),
]
HeatMap = Annotated[
    bool, typer.Option("--scores", help="Draw scores as a heatmap, where the store has them.")
]
ShownFrames = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Most frames of a contact sheet, rounded up to whole temporal patches. Default: 48.",
    ),
]
ShownTime = Annotated[
    str | None,
    typer.Option(metavar="A-B", help="Seconds that a contact sheet shows, such as 12.5-20."),
]
Root = Annotated[
    str | None, typer.Option(metavar="DIR", help="Folder that the videos were pruned from.")
]
SourceVideo = Annotated[
    str | None, typer.Option("--video", metavar="FILE", help="The video that was pruned.")
]
ForceSource = Annotated[
    bool, typer.Option("--force", help="Draw over a source whose bytes have changed.")
]
