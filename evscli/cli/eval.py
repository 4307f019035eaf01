"""`evs eval`: the share of questions that are answered right, against the tokens kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from evscli.cli import options
from evscli.cli.checks import check_output, name_model
from evscli.cli.command import RANKS, command
from evscli.cli.notes import noted_warnings, progress, quiet_loading
from evscli.errors import UsageError
from evscli.job import Encoding, Selection
from evscli.option import Checked, Option, option_fields
from evscli.records import Sampling

if TYPE_CHECKING:
    from evscli.evaluation.statistics.results import Evaluation
    from evscli.pruners import PruneRequest

    Asked = tuple[Evaluation, dict[str, Any]]

VIDEOS = 100


@dataclass(frozen=True, kw_only=True)
class EvaluatedSelection(Checked):
    """The selections whose accuracy is measured."""

    GROUP: ClassVar = Selection.GROUP

    methods: Annotated[
        tuple[str, ...],
        Option(
            "Method to measure; may be repeated. none and random are always measured too.",
            names=("--method",),
            metavar="METHOD",
        ),
    ] = ("evs", "vcast")
    budgets: Annotated[
        tuple[str, ...],
        Option(
            "Fraction of tokens kept, 0 < budget <= 1; may be repeated.",
            names=("--budget",),
            metavar="FRACTION",
        ),
    ] = ("0.1", "0.25", "0.5", "0.75")
    options: Annotated[
        tuple[str, ...],
        Option("Option of the method; may be repeated.", names=("--option",), metavar="NAME=VALUE"),
    ] = ()
    seed: Annotated[
        int,
        Option(
            "Seed of random methods; without --questions of the procedural videos too.",
            metavar="N",
            least=0,
            below=2**32,
        ),
    ] = 0

    replaced = Selection.replaced


@command
def evaluate(
    selection: EvaluatedSelection,
    sampling: Sampling,
    encoding: Encoding,
    questions: options.Questions = None,
    videos: options.Videos = None,
    baselines: options.Baselines = False,
    diagnostics: options.Diagnostics = False,
    per_token: options.PerToken = False,
    output: options.Results = "evs-eval",
    as_json: options.Json = False,
) -> None:
    """Measure how often questions are answered right, against the tokens kept.

    Every question is asked of every pruned video, of the unpruned one, and of a random selection
    at every budget. The result is printed and written to DIR as accuracy.json, .md, .png and .svg.
    Without a file of questions mini is asked about procedural videos it was not trained on.

    Example: evs eval --method evs --method vcast --budget 0.25

    Example: evs eval --method vcast --budget 0.25 --questions questions.jsonl --model mini
    """
    from evscli.cli.evaluation_report import report_accuracy
    from evscli.evaluation.selections import selections
    from evscli.pruners import parse_budget

    budgets = [parse_budget(text) for text in selection.budgets]
    task = EvalTask(
        requests=selections(selection.methods, budgets, selection.options),
        seed=selection.seed,
        sampling=sampling,
        encoding=encoding,
    )
    check_output(Path(output))
    if questions is None:
        refuse_with_films()
        evaluation, setup = ask_about_films(task, videos or VIDEOS, baselines, diagnostics)
    else:
        refuse_with_questions()
        evaluation, setup = ask_questions(task, questions, per_token)
    raise typer.Exit(report_accuracy(evaluation, setup, Path(output), as_json=as_json))


@dataclass(frozen=True, kw_only=True, eq=False)
class EvalTask:
    """The selections to ask about, and the checkpoint to ask."""

    requests: Sequence[PruneRequest]
    seed: int
    sampling: Sampling
    encoding: Encoding


def ask_questions(task: EvalTask, questions: Path, per_token: bool) -> Asked:
    """Ask a checkpoint the questions of a list."""
    from evscli.evaluation.questions.choices import read_choices
    from evscli.evaluation.questions.multiple_choice import asked_of, evaluate_choices, load_both
    from evscli.evaluation.setup import setup_of

    choices = read_choices(questions)
    task.encoding.check_named(len({choice.video for choice in choices}))
    name_model(task.encoding.name)
    quiet_loading()
    with noted_warnings():
        checkpoint = load_both(task.encoding.resolved(), task.sampling)
        with progress(len(choices) * len(task.requests)) as advance:
            evaluation = evaluate_choices(
                choices,
                checkpoint,
                task.requests,
                seed=task.seed,
                per_token=per_token,
                advance=advance,
            )
    asked = asked_of(choices, per_token=per_token)
    return evaluation, setup_of(checkpoint.encoder, seed=task.seed, **asked)


def ask_about_films(task: EvalTask, videos: int, baselines: bool, diagnostics: bool) -> Asked:
    """Ask `mini`, or a model trained as it was, about procedural videos."""
    from evscli.evaluation.questions.multiple_choice import load_both
    from evscli.evaluation.setup import setup_of
    from evscli.mini.exam.procedural import (
        asked_about_films,
        evaluate_films,
        evaluate_views,
        refuse_others,
    )

    seed = task.seed
    quiet_loading()
    encoding = task.encoding.resolved()
    refuse_others(encoding.files)
    with noted_warnings():
        name_model(task.encoding.name)
        checkpoint = load_both(encoding)
        with progress(videos * (1 + baselines), unit="video") as advance:
            evaluation = evaluate_films(
                checkpoint,
                task.requests,
                videos=videos,
                seed=seed,
                diagnostics=diagnostics,
                advance=advance,
            )
            if baselines:
                views = evaluate_views(checkpoint, videos=videos, seed=seed, advance=advance)
                evaluation = replace(evaluation, baselines=views)
    return evaluation, setup_of(checkpoint.encoder, seed=seed, **asked_about_films(videos))


def refuse_with_films() -> None:
    """Raise UsageError where options are typed that need a file of questions."""
    names = {option.name: option.names[-1] for option in option_fields(Sampling)}
    if any(RANKS.get()[name] == 0 for name in ("per_token", *names)):
        raise UsageError(
            f"{', '.join(names.values())} and --per-token are for your own videos: give a file of "
            "questions with --questions, or leave them out"
        )


def refuse_with_questions() -> None:
    """Raise UsageError where options are typed that need procedural videos."""
    if any(RANKS.get()[name] == 0 for name in ("videos", "baselines", "diagnostics")):
        raise UsageError(
            "--videos, --baselines and --diagnostics are for the procedural videos: leave them "
            "out, or leave out --questions"
        )
