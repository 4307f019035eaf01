"""Questions about procedural videos, asked in this process or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from transformers.utils import logging

from evscli.errors import EvsError
from evscli.evaluation.questions.multiple_choice import LoadedCheckpoint
from evscli.evaluation.questions.selecting import Selecting
from evscli.evaluation.questions.task import EvalTask
from evscli.evaluation.statistics.results import Evaluation
from evscli.mini.exam.procedural import ask_film, ask_views
from evscli.store.processes import Died, in_processes


@dataclass(frozen=True, kw_only=True)
class Asking:
    """The questions about one video after the other, for every sampling."""

    task: EvalTask
    diagnostics: bool
    baselines: bool
    """Whether reduced views are asked about too."""
    one_thread: bool = False
    """Whether one thread computes, as suits several processes."""

    @cached_property
    def loaded(self) -> list[tuple[LoadedCheckpoint, Selecting, int | None]]:
        """The checkpoint with the encoder of each sampling."""
        if self.one_thread:
            torch.set_num_threads(1)
            logging.disable_progress_bar()  # several would write over each other
        return list(self.task.checkpoints())

    def __call__(self, number: int) -> list[Evaluation]:
        """Return the answers about one video, for every sampling."""
        (checkpoint, selecting, _), *_ = self.loaded
        views = ask_views(checkpoint, number, seed=selecting.seed) if self.baselines else ()
        return [
            Evaluation(answered=(), baselines=tuple(views)),
            *(
                ask_film(
                    checkpoint, selecting, number, num_frames=frames, diagnostics=self.diagnostics
                )
                for checkpoint, selecting, frames in self.loaded
            ),
        ]


def ask_films(
    asking: Asking,
    *,
    videos: int,
    processes: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Ask every question about the first `videos` held-out videos of every selection.

    `advance` is called after every video. Raises EvsError where a process ends before its time.
    """
    found: dict[int, list[Evaluation]] = {}
    for number, parts in _answers(asking, videos, processes):
        if isinstance(parts, Died):
            raise EvsError(
                f"a process that asked about videos ended ({parts.how}): try fewer --workers"
            )
        found[number] = parts
        advance(1)
    by_video = [found[number] for number in range(videos)]
    return Evaluation.joined([part for parts in zip(*by_video, strict=True) for part in parts])


def _answers(
    asking: Asking, videos: int, processes: int
) -> Iterator[tuple[int, list[Evaluation] | Died]]:
    if processes == 1:
        return ((number, asking(number)) for number in range(videos))
    alone = replace(asking, one_thread=True)
    return in_processes(alone, range(videos), processes=processes)
