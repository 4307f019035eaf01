"""Questions about films in several processes give what one process gives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evscli.errors import EvsError
from evscli.evaluation.questions.task import EvalTask
from evscli.evaluation.selections import selections
from evscli.evaluation.statistics.results import Evaluation
from evscli.job import Encoding, Selection
from evscli.job.job import Pruning
from evscli.mini.exam.work import Asking, ask_films
from evscli.records import Sampling
from tests.checkpoints import build_mini

pytestmark = pytest.mark.slow


def asking_of(folder: Path) -> Asking:
    selection = Selection(methods=("vcast",), budgets=(0.5,), seed=108)
    job = Pruning(selection=selection, encoding=Encoding(model=str(folder), dtype="float32"))
    samplings = [Sampling(num_frames=4), Sampling(num_frames=8)]
    task = EvalTask(requests=selections(selection), job=job, samplings=samplings)
    return Asking(task=task, diagnostics=True, baselines=True)


class Ending(Asking):
    """The work of a process that ends at its first video."""

    def __call__(self, number: int) -> list[Evaluation]:
        del number
        os._exit(3)


def test_several_processes_give_what_one_gives(tmp_path: Path) -> None:
    build_mini(tmp_path)
    advanced: list[int] = []
    asking = asking_of(tmp_path)
    one, two = (
        ask_films(asking, videos=3, processes=processes, advance=advanced.append)
        for processes in (1, 2)
    )
    assert advanced == [1] * 6
    assert [answer.video for answer in one.answered] == [answer.video for answer in two.answered]
    assert {answer.num_frames for answer in one.answered} == {4, 8}
    assert [answer.kept for answer in one.answered] == [answer.kept for answer in two.answered]
    assert one.diagnostics.keys() == two.diagnostics.keys()
    assert [a.method for a in one.baselines] == [a.method for a in two.baselines]


def test_a_process_that_ends_is_named_as_the_reason(tmp_path: Path) -> None:
    whole = asking_of(tmp_path)
    ending = Ending(task=whole.task, diagnostics=False, baselines=False)
    with pytest.raises(EvsError, match=r"ended \(exit code 3\): try fewer --workers"):
        ask_films(ending, videos=2, processes=2)
