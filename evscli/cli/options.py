"""The options of the commands: name, type and help of each, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from evscli.option import Option

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Videos, folders, globs, lists (.txt, .csv, .jsonl, .parquet), tars of videos, any of "
        "these at an address, or - for a list on standard input.",
    ),
]
JsonEvents = Annotated[
    bool, Option("Print events as they happen, one JSON object a line.", names=("--json",))
]
Json = Annotated[bool, Option("Print one JSON document.", names=("--json",))]

# evs methods

NamedMethod = Annotated[
    str | None,
    typer.Argument(metavar="[METHOD]", help="Method to show with the help of its options."),
]

# evs models

NamedFamily = Annotated[
    str | None,
    typer.Argument(metavar="[TYPE]", help="Model type of a family to show in full."),
]

# evs plan

SampleSize = Annotated[
    str | None,
    Option(
        "Most videos to look into, or all; the rest is estimated from them. Default: 200, or 20 "
        "where some must be downloaded.",
        names=("--sample",),
        metavar="N",
    ),
]
NoCalibrate = Annotated[bool, Option("Leave the time out, for which a few videos are pruned.")]

# evs ask

Store = Annotated[Path, typer.Argument(metavar="STORE", help="Store made by `evs prune`.")]
SmallerBudget = Annotated[
    str | None,
    Option(
        "Smaller budget than the store's: 0.1, 256tok or 64tok/s. For methods with nested masks.",
        names=("--budget",),
        metavar="BUDGET",
        typed=True,
    ),
]
QuestionWords = Annotated[
    list[str],
    typer.Argument(
        metavar="[ID] QUESTION",
        help="The question in quotes; before it the video's id, where the store holds several.",
    ),
]
LanguageModel = Annotated[
    str | None,
    Option(
        "Checkpoint: a local folder or a hub id. Default: the store's own model.",
        names=("--model",),
        metavar="MODEL",
    ),
]
MaxNewTokens = Annotated[int, Option("Longest answer, in tokens.", metavar="N", least=1)]
RealTimes = Annotated[bool, Option("Write true presentation times into the prompt.")]
ForceModel = Annotated[bool, Option("Go on with a model whose vision weights differ.")]

# evs serve

ServedStores = Annotated[
    list[Path], typer.Argument(metavar="STORE...", help="Stores made by `evs prune`, of one model.")
]
Host = Annotated[str, Option("Address to listen on.", metavar="HOST")]
Port = Annotated[int, Option("Port to listen on.", metavar="N", least=1, below=65536)]
RawItems = Annotated[
    int,
    Option(
        "Let a prompt hold N images and N videos, those of stores among them, and load the vision "
        "tower for those that are not.",
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
ShowCommand = Annotated[bool, Option("Print the command and its variables instead of running it.")]
ServerJson = Annotated[
    bool,
    Option(
        "Print command, variables and a request as one JSON document instead of running it.",
        names=("--json",),
    ),
]

# evs eval

Questions = Annotated[
    Path | None,
    Option(
        "Your own questions, one a line: video, question, options, answer, kind.",
        metavar="FILE.jsonl",
    ),
]
Videos = Annotated[
    int | None,
    Option(
        "Without --questions: held-out procedural videos to ask mini about. Default: 100.",
        metavar="N",
        least=1,
    ),
]
EvalWorkers = Annotated[
    int | None,
    Option(
        "Without --questions: processes of one thread each. Default: 1, with all threads.",
        names=("--workers",),
        metavar="N",
        least=1,
    ),
]
Baselines = Annotated[
    bool,
    Option(
        "Without --questions: also ask without visual tokens, with the first frame only and with "
        "the frames shuffled."
    ),
]
Diagnostics = Annotated[
    bool, Option("Without --questions: also correlate diagnostics of the masks with accuracy.")
]
PerToken = Annotated[
    bool, Option("Score an option by its tokens' mean log-likelihood instead of the sum.")
]
Results = Annotated[str, Option("Folder for the results.", names=("-o", "--output"), metavar="DIR")]
# evs compare

Question = Annotated[
    str | None,
    Option(
        "Prompt after which the next token is compared. Default: one that suits the model.",
        metavar="TEXT",
    ),
]
NoLanguage = Annotated[bool, Option("Leave the language model out: no KL, no same token.")]

# evs train

Run = Annotated[
    str,
    Option(
        "Folder of the run: its checkpoint, then DIR/mini and DIR/report.json.",
        names=("-o", "--output"),
        metavar="DIR",
    ),
]
TrainingInputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[INPUT...]",
        help="Videos to learn from, as for `evs prune`. Default: procedural videos, for mini.",
        show_default=False,
    ),
]
TunedFolder = Annotated[
    str,
    Option(
        "Folder of the run: its checkpoint, then its results and DIR/report.json.",
        names=("-o", "--output"),
        metavar="DIR",
    ),
]
Blend = Annotated[
    float,
    Option(
        "Share of the weights before the training in DIR/model, beside those that learned. A "
        "finished run may be given another.",
        metavar="SHARE",
        least=0,
        below=1,
    ),
]
Looks = Annotated[
    int | None,
    Option(
        "First steps, in which only the vision tower learns. Default: a fifth of them.",
        metavar="N",
        least=0,
    ),
]
Threads = Annotated[
    int | None, Option("Threads that compute. Default: one for every core.", metavar="N", least=1)
]
Processes = Annotated[
    int, Option("Processes that draw videos; 0 draws them between the steps.", metavar="N", least=0)
]
HeldOut = Annotated[
    int, Option("Videos to ask about when it is trained; 0 asks about none.", metavar="N", least=0)
]

SeenVideo = Annotated[
    str | None,
    typer.Argument(metavar="[ID]", help="Video to draw; may be left out where there is one only."),
]
Picture = Annotated[
    Path,
    Option(
        "What to write: .png is a contact sheet, .mp4 an overlay video, .html a report.",
        names=("-o", "--output"),
        metavar="FILE",
    ),
]
Against = Annotated[
    str | None,
    Option("Compare with this store: kept by both, by one of them, by neither.", metavar="STORE"),
]
Beside = Annotated[
    tuple[Path, ...],
    Option("Show this store beside, in a report; may be repeated.", metavar="STORE"),
]
HeatMap = Annotated[
    bool, Option("Draw scores as a heatmap, where the store has them.", names=("--scores",))
]
ShownFrames = Annotated[
    int | None,
    Option(
        "Most frames of a contact sheet, rounded up to whole temporal patches. Default: 48.",
        metavar="N",
        least=1,
    ),
]
ShownTime = Annotated[
    str | None, Option("Seconds that a contact sheet shows, such as 12.5-20.", metavar="A-B")
]
Root = Annotated[str | None, Option("Folder that the videos were pruned from.", metavar="DIR")]
SourceVideo = Annotated[
    str | None, Option("The video that was pruned.", names=("--video",), metavar="FILE")
]
ForceSource = Annotated[
    bool, Option("Draw over a source whose bytes have changed.", names=("--force",))
]
