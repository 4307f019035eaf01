"""`evs eval`: how often questions are answered right, against the tokens kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from evscli.bundled import MINI
from evscli.cli import options
from evscli.cli.checks import check_output, name_model, refuse_empty
from evscli.cli.notes import noted_warnings, progress, quiet_loading
from evscli.errors import UsageError
from evscli.records import Sampling

if TYPE_CHECKING:
    from evscli.cli.eval_report import Result
    from evscli.pruners import PruneRequest

METHODS = ("evs", "vcast")
BUDGETS = ("0.1", "0.25", "0.5", "0.75")
VIDEOS = 100


def evaluate(
    method: options.Methods = None,
    budget: options.Budgets = None,
    option: options.MethodOptions = None,
    model: options.Model = None,
    questions: options.Questions = None,
    videos: options.Videos = None,
    baselines: options.Baselines = False,
    diagnostics: options.Diagnostics = False,
    per_token: options.PerToken = False,
    output: options.Results = "evs-eval",
    seed: options.EvaluationSeed = 0,
    fps: options.Fps = None,
    num_frames: options.NumFrames = None,
    max_frames: options.MaxFrames = None,
    min_pixels: options.MinPixels = None,
    max_pixels: options.MaxPixels = None,
    total_pixels: options.TotalPixels = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    as_json: options.Json = False,
) -> None:
    """Measure how often questions are answered right, against the tokens kept.

    Every question is asked of every pruned video, of the unpruned one, and of a random selection
    at every budget. The result is printed and written to DIR as accuracy.json, .md, .png and .svg.
    Without a file of questions mini is asked about procedural videos it was not trained on.

    Example: evs eval --method evs --method vcast --budget 0.25

    Example: evs eval --method vcast --budget 0.25 --questions questions.jsonl --model mini
    """
    from evscli.cli.eval_report import report
    from evscli.learn.evaluation.selections import selections
    from evscli.pruners import parse_budget

    refuse_empty(model=model, output=output)
    budgets = [parse_budget(text) for text in budget or BUDGETS]
    task = Task(
        requests=selections(method or METHODS, budgets, option or []),
        model=model,
        seed=seed,
        device=device,
        dtype=dtype,
    )
    check_output(Path(output))
    sampling = Sampling(
        fps=fps,
        num_frames=num_frames,
        max_frames=max_frames,
        min_pixels=min_pixels,
        max_pixels=max_pixels,
        total_pixels=total_pixels,
    )
    if questions is None:
        refuse_with_films(sampling, per_token=per_token)
        result = ask_about_films(task, videos or VIDEOS, baselines, diagnostics)
    else:
        refuse_with_questions(videos, baselines=baselines, diagnostics=diagnostics)
        result = ask_questions(task, questions, sampling, per_token)
    raise typer.Exit(report(result, Path(output), as_json=as_json))


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What is to be found out, whatever the videos."""

    requests: Sequence[PruneRequest]
    model: str | None
    seed: int
    device: str
    dtype: str


def ask_questions(task: Task, questions: Path, sampling: Sampling, per_token: bool) -> Result:
    """Ask a person's own questions of a checkpoint."""
    from evscli.cli.eval_report import Result
    from evscli.learn.evaluation.choices import read_choices
    from evscli.learn.evaluation.multiple_choice import evaluate_choices, load_both, setup_of

    choices = read_choices(questions)
    model = name_model(task.model, videos=len({choice.video for choice in choices}))
    quiet_loading()
    with noted_warnings():
        checkpoint = load_both(model, device=task.device, dtype=task.dtype, sampling=sampling)
        with progress(len(choices) * len(task.requests)) as advance:
            evaluation = evaluate_choices(
                choices,
                checkpoint,
                task.requests,
                seed=task.seed,
                per_token=per_token,
                advance=advance,
            )
    setup = setup_of(checkpoint, choices, seed=task.seed, per_token=per_token)
    return Result(evaluation=evaluation, setup=setup)


def ask_about_films(task: Task, videos: int, baselines: bool, diagnostics: bool) -> Result:
    """Ask `mini`, or a model trained as it was, about procedural videos."""
    from evscli.cli.eval_report import Result
    from evscli.learn.evaluation.multiple_choice import load_both
    from evscli.learn.evaluation.procedural import (
        evaluate_films,
        evaluate_views,
        refuse_others,
        setup_of_films,
    )

    model, seed = task.model or MINI, task.seed
    quiet_loading()
    refuse_others(model)
    with noted_warnings():
        checkpoint = load_both(name_model(model, videos=1), device=task.device, dtype=task.dtype)
        with progress(videos * (1 + baselines), unit="video") as advance:
            examined = evaluate_films(
                checkpoint,
                task.requests,
                videos=videos,
                seed=seed,
                diagnostics=diagnostics,
                advance=advance,
            )
            views = None
            if baselines:
                views = evaluate_views(checkpoint, videos=videos, seed=seed, advance=advance)
    return Result(
        evaluation=examined.evaluation,
        setup=setup_of_films(checkpoint, videos=videos, seed=seed),
        baselines=views,
        diagnostics=examined.diagnostics,
    )


def refuse_with_films(sampling: Sampling, *, per_token: bool) -> None:
    """Raise UsageError for options that need a file of questions."""
    if per_token or sampling != Sampling():
        raise UsageError(
            "--fps, --num-frames, --max-frames, --min-pixels, --max-pixels, --total-pixels and "
            "--per-token are for your own videos: give a file of questions with --questions, or "
            "leave them out"
        )


def refuse_with_questions(videos: int | None, *, baselines: bool, diagnostics: bool) -> None:
    """Raise UsageError for options that need procedural videos."""
    if videos is not None or baselines or diagnostics:
        raise UsageError(
            "--videos, --baselines and --diagnostics are for the procedural videos: leave them "
            "out, or leave out --questions"
        )
