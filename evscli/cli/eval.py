"""`evs eval`: the share of questions that are answered right, against the tokens kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evscli.cli import options
from evscli.cli.checks import check_output, name_model
from evscli.cli.command import RANKS, command
from evscli.cli.loading import quiet_loading, say_loading
from evscli.cli.notes import noted_warnings, progress
from evscli.errors import UsageError
from evscli.job import Encoding, Selection
from evscli.job.job import Pruning
from evscli.option import Option, option_fields
from evscli.paths import folder_path
from evscli.records import Sampling

if TYPE_CHECKING:
    from evscli.evaluation.questions.task import EvalTask
    from evscli.evaluation.statistics.results import Evaluation

    Asked = tuple[Evaluation, dict[str, Any]]

VIDEOS = 100


@dataclass(frozen=True, kw_only=True)
class EvaluatedSelection(Selection):
    """The selections whose accuracy is measured."""

    methods: Annotated[
        tuple[str, ...],
        Option(
            "Method to measure; may be repeated, also with options of its own: "
            "vcast:tau=0.5,prune_at=1. none and random are always measured too.",
            names=("--method",),
            metavar="METHOD",
        ),
    ] = ("surprise", "vcast")
    budgets: Annotated[
        tuple[str, ...],
        Option("As for `evs prune`; may be repeated.", names=("--budget",), metavar="BUDGET"),
    ] = ("0.1", "0.25", "0.5", "0.75")
    query: Annotated[
        str | None,
        Option("Question for cdpruner and semvid. Default: the one that is asked.", metavar="TEXT"),
    ] = None
    seed: Annotated[
        int,
        Option(
            "Seed of random methods; without --questions of the procedural videos too.",
            metavar="N",
            least=0,
            below=2**32,
        ),
    ] = 0


@dataclass(frozen=True, kw_only=True)
class EvaluatedSampling(Sampling):
    """The samplings of the videos: one for every number of frames."""

    num_frames: Annotated[
        tuple[int, ...],
        Option(
            "Frames to sample per video. May be repeated, to compare more frames with fewer "
            "tokens of each.",
            metavar="N",
            least=1,
        ),
    ] = ()  # type: ignore[assignment]

    def each(self) -> list[Sampling]:
        """Return one sampling for every number of frames, or one without."""
        others = {name: value for name, value in vars(self).items() if name != "num_frames"}
        return [Sampling(**others, num_frames=number) for number in self.num_frames or (None,)]


@command
def evaluate(
    selection: EvaluatedSelection,
    sampling: EvaluatedSampling,
    encoding: Encoding,
    questions: options.Questions = None,
    videos: options.Videos = None,
    workers: options.EvalWorkers = None,
    baselines: options.Baselines = False,
    diagnostics: options.Diagnostics = False,
    per_token: options.PerToken = False,
    output: options.Results = "evs-eval",
    as_json: options.Json = False,
) -> None:
    """Measure how often questions are answered right, against the tokens kept.

    Every question is asked of every pruned video, of the unpruned one, and of a random selection
    at every budget; other methods are also compared with the first one named. The result is
    printed and written to DIR as accuracy.json, .md, .png and .svg. Without a file of questions
    mini is asked about procedural videos it was not trained on.

    Example: evs eval --method surprise --method surprise:frames=even --budget 0.25

    Example: evs eval --method vcast --budget 0.25 --questions questions.jsonl --model mini

    Example: evs eval --method surprise --budget 256tok --num-frames 8 --num-frames 32
    """
    say_loading(encoding.name)
    from evscli.cli.evaluation_report import report_accuracy
    from evscli.evaluation.questions.task import EvalTask
    from evscli.evaluation.selections import selections

    task = EvalTask(
        requests=selections(selection, own_scorer=encoding.own_scorer),
        job=Pruning(selection=selection, encoding=encoding),
        samplings=sampling.each(),
    )
    folder = folder_path(output, "--output")
    check_output(folder)
    if questions is None:
        refuse_with_films()
        films = (videos or VIDEOS, workers or 1)
        evaluation, setup = ask_about_films(task, *films, baselines, diagnostics)
    else:
        refuse_with_questions()
        evaluation, setup = ask_questions(task, questions, per_token)
    raise typer.Exit(report_accuracy(evaluation, setup, folder, as_json=as_json))


def ask_questions(task: EvalTask, questions: Path, per_token: bool) -> Asked:
    """Ask a checkpoint the questions of a list."""
    from evscli.evaluation.questions.choices import read_choices
    from evscli.evaluation.questions.multiple_choice import asked_of, evaluate_choices
    from evscli.evaluation.setup import setup_of
    from evscli.evaluation.statistics.results import Evaluation

    choices, encoding = read_choices(questions), task.job.encoding
    encoding.check_named(len({choice.video for choice in choices}))
    name_model(encoding.name)
    quiet_loading()
    total = len(choices) * len(task.requests) * len(task.samplings)
    with noted_warnings(), progress(total) as advance:
        parts = []
        for checkpoint, selecting, frames in task.checkpoints():
            parts.append(
                evaluate_choices(
                    choices,
                    checkpoint,
                    selecting,
                    per_token=per_token,
                    num_frames=frames,
                    advance=advance,
                )
            )
    asked = asked_of(choices, per_token=per_token)
    seed = task.job.selection.seed
    return Evaluation.joined(parts), setup_of(checkpoint.encoder, seed=seed, **asked)


def ask_about_films(
    task: EvalTask, videos: int, workers: int, baselines: bool, diagnostics: bool
) -> Asked:
    """Ask `mini`, or a model trained as it was, about procedural videos."""
    from evscli.evaluation.setup import setup_of
    from evscli.mini.exam.procedural import asked_about_films, refuse_others
    from evscli.mini.exam.work import Asking, ask_films

    quiet_loading()
    refuse_others(task.job.encoding.resolved().files)
    name_model(task.job.encoding.name)
    with noted_warnings(), progress(videos, unit="video") as advance:
        asking = Asking(task=task, diagnostics=diagnostics, baselines=baselines)
        checkpoint, selecting, _ = asking.loaded[0]
        selecting.check(checkpoint.encoder)
        evaluation = ask_films(asking, videos=videos, processes=workers, advance=advance)
    seed = task.job.selection.seed
    return evaluation, setup_of(checkpoint.encoder, seed=seed, **asked_about_films(videos))


def refuse_with_films() -> None:
    """Raise UsageError where options are typed that need a file of questions."""
    fields = (option for option in option_fields(Sampling) if option.name != "num_frames")
    names = {option.name: option.names[-1] for option in fields}
    if any(RANKS.get()[name] == 0 for name in ("per_token", *names)):
        raise UsageError(
            f"{', '.join(names.values())} and --per-token are for your own videos: give a file of "
            "questions with --questions, or leave them out"
        )


def refuse_with_questions() -> None:
    """Raise UsageError where options are typed that need procedural videos."""
    if any(RANKS.get()[name] == 0 for name in ("videos", "workers", "baselines", "diagnostics")):
        raise UsageError(
            "--videos, --workers, --baselines and --diagnostics are for the procedural videos: "
            "leave them out, or leave out --questions"
        )
