"""How a newly trained model does on videos it was not trained on, whole and in part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from evscli.evaluation.questions.multiple_choice import load_both
from evscli.evaluation.selections import UNPRUNED
from evscli.evaluation.statistics.results import Tally, tally
from evscli.job import Encoding
from evscli.mini.exam.procedural import evaluate_films, evaluate_views
from evscli.mini.world.views import WHOLE
from evscli.pruners import check_selection


def held_out_tallies(
    model: Path, *, videos: int, seed: int, advance: Callable[[int], None] = lambda _: None
) -> list[Tally]:
    """Accuracy by kind of the checkpoint in `model`: of whole videos, and of each view of them.

    The method of a tally is the name of its view. Nothing is pruned. `advance` is told of every
    video and of every video again when its views were asked about.
    """
    checkpoint = load_both(Encoding(model=str(model.resolve()), device="cpu"))
    whole = evaluate_films(
        checkpoint, [check_selection(UNPRUNED)], videos=videos, seed=seed, advance=advance
    ).evaluation.answered
    parts = evaluate_views(checkpoint, videos=videos, seed=seed, advance=advance).answered
    return tally([*(replace(answer, method=WHOLE) for answer in whole), *parts])
