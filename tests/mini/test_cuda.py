"""Training and evaluation on a CUDA device; skipped where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from evscli.evaluation.questions.multiple_choice import load_both
from evscli.job import Encoding
from evscli.mini.exam.procedural import ask_film
from evscli.mini.training.learner import mini_task
from evscli.mini.training.plan import TrainingPlan
from evscli.train.loop import train
from tests.checkpoints import build_mini
from tests.evaluation.answers import choosing

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_training_goes_on_from_a_checkpoint(tokenizer: Any, tmp_path: Path) -> None:
    plan = TrainingPlan(seed=54, steps=1000, looks=1, tokens=200)
    task, device = mini_task(tokenizer, plan), torch.device("cuda")
    for until in (2, 4):
        trained = train(task, tmp_path, until=until, device=device, processes=0)
    assert trained.step == 4
    assert trained.machines[0]["device"] == "cuda"
    assert trained.history[-1]["accuracy"]


def test_answers_about_films_are_those_of_the_cpu(tmp_path: Path) -> None:
    build_mini(tmp_path)
    selecting = choosing(["evs"], [0.25])
    cpu, cuda = (
        [
            answer
            for number in range(6)
            for answer in ask_film(checkpoint, selecting, number).answered
        ]
        for checkpoint in (
            load_both(Encoding(model=str(tmp_path), device=device, dtype="float32"))
            for device in ("cpu", "cuda")
        )
    )
    assert [answer.kept for answer in cpu] == [answer.kept for answer in cuda]
    alike = sum(a.correct == b.correct for a, b in zip(cpu, cuda, strict=True))
    assert alike >= 0.95 * len(cpu)
