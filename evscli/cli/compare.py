"""`evs compare`: methods and budgets side by side on one encoding of each video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from evscli.cli import options
from evscli.cli.checks import check_output, name_model, refuse_held
from evscli.cli.command import command
from evscli.cli.loading import quiet_loading, say_loading
from evscli.cli.notes import note, noted_warnings, progress
from evscli.errors import ModelError
from evscli.job import Pruning, Selection
from evscli.option import Option
from evscli.paths import folder_path

if TYPE_CHECKING:
    from evscli.language.generate import LanguageModel

RANDOM = "random"


@dataclass(frozen=True, kw_only=True)
class ComparedSelection(Selection):
    """The selections to compare. Random ones are always among them, as the baseline."""

    methods: Annotated[
        tuple[str, ...],
        Option(
            "Method to compare; may be repeated, also with options of its own: "
            "vcast:tau=0.5,prune_at=1. random is always compared too.",
            names=("--method",),
            metavar="METHOD",
        ),
    ] = ("surprise", "vcast", "vidcom2", "evs", "uniform-grid")
    budgets: Annotated[
        tuple[str, ...],
        Option("As for `evs prune`; may be repeated.", names=("--budget",), metavar="BUDGET"),
    ] = ("0.1", "0.25", "0.5")

    def with_random(self) -> ComparedSelection:
        """Return a copy with `random` at the end of the methods."""
        named = (name for name in self.methods if name != RANDOM)
        return replace(self, methods=(*named, RANDOM))


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions(Pruning):
    """The selections to compare, and the reading and encoding of the videos for it."""

    selection: ComparedSelection = ComparedSelection()


@command
def compare(
    inputs: options.Inputs,
    job: ComparisonOptions,
    output: options.Results = "evs-compare",
    question: options.Question = None,
    no_language: options.NoLanguage = False,
    as_json: options.Json = False,
) -> None:
    """Compare methods and budgets on videos that are encoded once.

    For each selection: tokens kept, time to choose them, diagnostics, events seen where a
    truth.json beside the video names some, overlap with the other selections, and how far the
    language model's next token moves from the unpruned prefill. Printed, and written to DIR as
    compare.json, .md, .png and .svg.

    Example: evs compare video.mp4 --method surprise --method vcast --budget 0.1 --budget 0.25

    Example: evs compare clips/ --method vcast --method vcast:prune_at=1
    """
    say_loading(job.encoding.name)
    from evscli.bundled import usual_question
    from evscli.cli.evaluation_report import report_comparison
    from evscli.cli.events import report_left_out
    from evscli.evaluation.compare.comparison import compare as compare_all
    from evscli.evaluation.compare.measure import Bench
    from evscli.job.loading import make_encoder, query_rows, scorer_weights

    job = replace(job, selection=job.selection.with_random())
    folder = folder_path(output, "--output")
    check_output(folder)
    videos = job.find_videos(inputs, left_out=partial(report_left_out, as_json=False))
    refuse_held(videos)
    name_model(job.encoding.name)
    job = job.resolved()
    quiet_loading()
    with noted_warnings():
        queries = query_rows(job, videos)
        encoder = make_encoder(job.encoding, job.sampling, job.encoding.device)
        bench = Bench(
            encoder=encoder,
            requests=job.requests,
            language=None if no_language else language_of(job),
            question=question or usual_question(encoder.info.name),
            scorer=scorer_weights(job, encoder),
            queries=queries,
            seed=job.selection.seed,
            damaged=job.reading.damaged,
        )
        with progress(len(videos), unit="video") as advance:
            comparison = compare_all(videos, bench, advance=advance)
    raise typer.Exit(report_comparison(comparison, folder, as_json=as_json))


def language_of(job: ComparisonOptions) -> LanguageModel | None:
    """Load the checkpoint's language model. Where there is none, note it and return None."""
    from evscli.language.generate import load_language_model

    encoding = job.encoding
    try:
        return load_language_model(encoding.files, device=encoding.device, dtype=encoding.dtype)
    except ModelError as error:
        note(f"{error}; compared without it (--no-language leaves this note out)")
        return None
