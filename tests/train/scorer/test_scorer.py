"""Training a scorer on files: what learns, going on, what is left out, and its result in use."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from evscli.corpus.inputs import find_videos
from evscli.encoders.scorer import load_scorer, read_record
from evscli.job import Encoding
from evscli.records import Sampling
from evscli.store import open_store
from evscli.train.loop import train
from evscli.train.scorer.batches import FileVideos, ScorerBatch
from evscli.train.scorer.learner import ScorerLearner
from evscli.train.scorer.model import CHANGE
from evscli.train.scorer.plan import ScorerPlan
from evscli.train.scorer.task import scorer_task
from evscli.train.task import TrainingTask
from evscli.train.tuning.answers import ANSWER
from evscli.train.tuning.conversations import VideoConversation, read_conversations
from evscli.train.tuning.weights import sees
from tests.checkpoints import make_checkpoint
from tests.cli.in_process import run_here
from tests.train.launched import run_in_two
from tests.videos import write_video

PLAN = ScorerPlan(steps=4, batch=3, warmup=1, rate=1e-3, units=16)
ENCODING = Encoding(model="mini", dtype="float32", device="cpu")
FEW = ("--steps", "2", "--batch", "2", "--units", "8", "--processes", "0", "--device", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips and conversations about them."""
    folder = tmp_path_factory.mktemp("scorer")
    (folder / "clips").mkdir()
    for seed, name in enumerate(("a", "b")):
        write_video(folder / "clips" / f"{name}.mp4", frames=12, size=(64, 96), seed=seed)
    lines = [
        {"video": video, "question": "what color is the ball?", "answer": answer}
        for video, answer in (("a", "red"), ("b", "blue"), ("a", "green"))
    ]
    (folder / "train.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def videos_in(folder: Path, *, talks: bool = True, encoding: Encoding = ENCODING) -> FileVideos:
    videos = {video.id: video for video in find_videos([str(folder / "clips")])}
    read = read_conversations(folder / "train.jsonl", videos).found
    alone = tuple(VideoConversation(video=name, messages=()) for name in videos)
    return FileVideos(
        videos=videos,
        conversations=read if talks else alone,
        encoding=encoding,
        sampling=Sampling(),
        damaged="trim",
        seed=0,
    )


def task_of(folder: Path, plan: ScorerPlan = PLAN, *, talks: bool = True) -> Any:
    return scorer_task(ENCODING, plan, videos_in(folder, talks=talks))[0]


def test_batches_travel_to_other_processes(folder: Path) -> None:
    batches = task_of(folder).batches
    ours, theirs = (
        [(video.planned.video.id, len(video.conversations)) for part in one.parts for video in part]
        for one in (batches[0], pickle.loads(pickle.dumps(batches))[0])
    )
    assert ours == theirs


def learner_of(task: TrainingTask[ScorerBatch]) -> ScorerLearner:
    learner = task.make_learner(torch.device("cpu"))
    assert isinstance(learner, ScorerLearner)
    return learner


def changed_by_a_step(task: TrainingTask[ScorerBatch]) -> set[str]:
    learner = learner_of(task)
    before = {name: value.clone() for name, value in learner.module.state_dict().items()}
    learned = learner.step(0, task.batches[0])
    assert all(loss > 0 for loss in learned.losses.values())
    after = learner.module.state_dict()
    return {name for name, value in after.items() if not value.equal(before[name])}


def test_a_scorer_alone_learns_from_videos_without_a_language_part(folder: Path) -> None:
    task = task_of(folder, talks=False)
    batch = task.batches[0]
    assert [video.planned.video.id for part in batch.parts for video in part] != []
    assert {name.partition(".")[0] for name in changed_by_a_step(task)} == {"scorer"}
    assert not list(learner_of(task).module.model.parameters())


@pytest.mark.parametrize(("learn", "parts"), [("scorer", 1), ("language", 2), ("all", 3)])
def test_what_learns_is_what_is_asked_for(folder: Path, learn: Any, parts: int) -> None:
    changed = changed_by_a_step(task_of(folder, replace(PLAN, learn=learn)))
    kinds = {
        "scorer" if name.startswith("scorer.") else "vision" if sees(name) else "language"
        for name in changed
    }
    assert kinds == {"scorer", "language", "vision"} if parts == 3 else len(kinds) == parts
    assert "scorer" in kinds


def test_adapters_learn_in_place_of_weights(folder: Path) -> None:
    changed = changed_by_a_step(task_of(folder, replace(PLAN, lora=2)))
    rest = {name for name in changed if not name.startswith("scorer.")}
    assert rest
    assert all("lora_" in name for name in rest)
    assert not any(map(sees, rest))


def test_a_batch_holds_a_video_once_for_all_conversations_about_it(folder: Path) -> None:
    batch = task_of(folder).batches[0]
    (part,) = batch.parts
    assert sorted((v.planned.video.id, len(v.conversations)) for v in part) == [("a", 2), ("b", 1)]
    learned = learner_of(task_of(folder)).step(0, batch)
    assert learned.losses.keys() == {CHANGE, ANSWER}


@pytest.mark.parametrize("talks", [True, False])
def test_parts_of_a_batch_give_the_gradient_of_the_whole(folder: Path, talks: bool) -> None:
    grads: list[dict[str, Tensor]] = []
    for accumulate in (1, 2):
        task = task_of(folder, replace(PLAN, accumulate=accumulate), talks=talks)
        learner = learner_of(task)
        batch = task.batches[0]
        assert len(batch.parts) == accumulate
        learner.step(0, batch)
        grads.append({key: value for key, value in learner.state().items() if "exp_avg" in key})
    for name, value in grads[0].items():
        torch.testing.assert_close(value, grads[1][name], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("talks", [True, False])
def test_a_run_that_is_stopped_goes_on_as_if_it_was_not(
    folder: Path, tmp_path: Path, talks: bool
) -> None:
    whole = train(task_of(folder, talks=talks), tmp_path / "whole", processes=0)
    train(task_of(folder, talks=talks), tmp_path / "parts", until=2, processes=0)
    rest = train(task_of(folder, talks=talks), tmp_path / "parts", processes=0)
    ours, theirs = rest.learner.state(), whole.learner.state()
    assert ours.keys() == theirs.keys()
    assert all(ours[name].equal(theirs[name]) for name in ours)


def test_both_losses_fall(folder: Path, tmp_path: Path) -> None:
    plan = replace(PLAN, steps=9, rate=1e-2, rate_dist="fixed:0.5")
    trained = train(task_of(folder, plan), tmp_path, processes=0, report_every=3)
    first, *_, last = (entry["loss"] for entry in trained.history)
    assert last[CHANGE] < 0.5 * first[CHANGE]
    assert last[ANSWER] < 0.5 * first[ANSWER]


def test_what_cannot_be_learned_from_is_left_out_and_named(folder: Path) -> None:
    task = task_of(folder, replace(PLAN, context=20))
    learned = learner_of(task).step(0, task.batches[0])
    assert learned.losses.keys() == {CHANGE}
    assert len(learned.left_out) == 3
    assert "tokens are more than the context of 20" in learned.left_out[0]
    videos = videos_in(folder)
    gone = replace(videos.videos["b"], path=folder / "gone.mp4")
    broken = replace(videos, videos={**videos.videos, "b": gone})
    taken = broken.take(0, 3)
    assert [video.planned.video.id for video in taken.examples] == ["a"]
    (reason,) = taken.left_out
    assert "gone.mp4" in reason


def test_a_line_that_the_checkpoint_cannot_read_is_named_at_the_start(
    folder: Path, tmp_path: Path
) -> None:
    line = {"video": "a", "question": "what color is the hovercraft?", "answer": "red"}
    (tmp_path / "bad.jsonl").write_text(json.dumps(line))
    given = (str(folder / "clips"), "--conversations", "bad.jsonl", *FEW, "-o", "run")
    result = run_here("train", "scorer", *given, cwd=tmp_path)
    assert result.code == 2
    assert "bad.jsonl:1: mini does not know 'hovercraft'" in result.err


def test_a_block_that_the_encoder_does_not_have_is_refused(folder: Path, tmp_path: Path) -> None:
    given = ("clips", "--prune-at", "3", *FEW, "-o", str(tmp_path / "run"))
    result = run_here("train", "scorer", *given, cwd=folder)
    assert result.code == 2
    assert "has blocks 0 to 3, so tokens can be pruned after 0 to 2, not after 3" in result.err


def test_the_command_trains_a_scorer_that_prunes(folder: Path, tmp_path: Path) -> None:
    run, store = tmp_path / "run", tmp_path / "store"
    result = run_here("train", "scorer", "clips", *FEW, "-o", str(run), cwd=folder)
    assert result.code == 0, result.err
    assert "there are no conversations, so the scorer learns alone" in result.err
    assert f"the scorer is {run / 'scorer.safetensors'}" in result.err
    assert not (run / "model").exists()
    report = json.loads((run / "report.json").read_text())
    settings = "--steps 2 --batch 2 --units 8"
    assert report["trained_by"] == f"evs train scorer clips {settings} -o {run}"
    assert report["history"][-1]["loss"].keys() == {CHANGE}
    record = read_record(run / "scorer.safetensors")
    assert record is not None
    assert (record.prune_at, record.model) == (1, "mini")
    use = ("clips/a.mp4", "--method", "stts", "--budget", "0.5")
    file = ("--scorer", str(run / "scorer.safetensors"))
    pruned = run_here("prune", *use, *file, "-o", str(store), cwd=folder)
    assert pruned.code == 0, pruned.err
    assert open_store(store)["a"].info.prune_at == 1  # where the scorer was trained
    other = run_here("prune", *use, *file, "--prune-at", "2", "-o", "other", cwd=folder)
    assert other.code == 2
    assert "was trained to look after block 1, not 2: leave --prune-at out" in other.err


def test_a_scorer_of_another_encoder_is_refused(folder: Path, tmp_path: Path) -> None:
    made = make_checkpoint(tmp_path / "other", "qwen3_vl")
    run = tmp_path / "run"
    given = ("clips", "--model", str(made), "--prune-at", "0", *FEW, "-o", str(run))
    assert run_here("train", "scorer", *given, cwd=folder).code == 0
    again = make_checkpoint(tmp_path / "again", "qwen3_vl", seed=1)
    use = ("clips/a.mp4", "--method", "stts", "--budget", "0.5", "--model", str(again))
    file = ("--scorer", str(run / "scorer.safetensors"), "-o", str(tmp_path / "store"))
    refused = run_here("prune", *use, *file, cwd=folder)
    assert refused.code == 1
    assert "was trained for the encoder of other, which is not that of again" in refused.err
    none = run_here("prune", *use, "-o", str(tmp_path / "store"), cwd=folder)
    assert none.code == 2
    assert "needs trained weights and again has none: give them with --scorer FILE" in none.err


def test_mini_brings_a_scorer_along(folder: Path, tmp_path: Path) -> None:
    use = ("clips/a.mp4", "--method", "stts", "--budget", "0.5")  # it names its block
    assert run_here("prune", *use, "-o", str(tmp_path / "store"), cwd=folder).code == 0
    record = open_store(tmp_path / "store")["a"]
    assert record.keep_mask[0].all()
    assert record.info.kept == record.info.tokens // 2


def test_the_result_of_joint_training_is_a_checkpoint_with_its_scorer(
    folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    given = ("clips", "--conversations", "train.jsonl", *FEW, "--learn", "all", "-o", str(run))
    result = run_here("train", "scorer", *given, cwd=folder)
    assert result.code == 0, result.err
    assert f"the checkpoint is {run / 'model'}" in result.err
    assert load_scorer(run / "scorer.safetensors", width=128).keys()
    use = ("clips/a.mp4", "--method", "stts", "--budget", "0.5", "--model", str(run / "model"))
    file = ("--scorer", str(run / "scorer.safetensors"))
    stores = tmp_path / "by-file", tmp_path / "by-model"
    for given, store in zip((file, ()), stores, strict=True):
        pruned = run_here("prune", *use, *given, "-o", str(store), cwd=folder)
        assert pruned.code == 0, pruned.err
    masks = [open_store(store)["a"].keep_mask for store in stores]
    assert masks[0].equal(masks[1])
    other = run_here("prune", *use, "--prune-at", "2", "-o", "other", cwd=folder)
    assert other.code == 2
    assert "was trained to look after block 1, not 2: leave --prune-at out" in other.err
    folder_given = ("--scorer", str(run / "model"), "-o", "other")
    alike = run_here("prune", *use[:5], *folder_given, cwd=folder)
    assert alike.code == 1
    assert "was trained for the encoder of " in alike.err  # it learned, so mini's is another


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("--conversations", "train.jsonl"), "--conversations are about videos: name these too"),
        (("clips", "--learn", "all"), "--learn all is not used without conversations"),
        (("--unlabelled", "--lora", "2"), "--lora is not used without conversations"),
        (("--unlabelled", "--auxiliary", "0"), "--auxiliary 0 leaves a scorer without"),
        (("clips", "--unlabelled"), "--unlabelled is about procedural videos"),
        (("nowhere",), "nowhere"),
    ],
)
def test_what_does_not_go_together_is_refused(
    folder: Path, tmp_path: Path, given: tuple[str, ...], reason: str
) -> None:
    result = run_here("train", "scorer", *given, "-o", str(tmp_path / "run"), cwd=folder)
    assert result.code != 0
    assert reason in result.err
    assert not (tmp_path / "run").exists()


def test_another_video_of_the_same_name_does_not_go_on(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "clips", tmp_path / "clips")
    given = ("train", "scorer", "clips", "-o", "run", *FEW)
    assert run_here(*given, cwd=tmp_path).code == 0
    os.utime(tmp_path / "clips" / "a.mp4")
    again = run_here(*given, cwd=tmp_path)
    assert again.code == 0, again.err
    shutil.copyfile(tmp_path / "clips" / "b.mp4", tmp_path / "clips" / "a.mp4")
    other = run_here(*given, cwd=tmp_path)
    assert other.code == 2
    assert "from another training run (another checkpoint, other videos" in other.error


@pytest.mark.slow
def test_a_conversation_that_one_of_two_processes_leaves_out_is_named(
    folder: Path, tmp_path: Path
) -> None:
    long = {"video": "b", "question": "what color is the ball? " * 40, "answer": "blue"}
    short = {"video": "a", "question": "what color is the ball?", "answer": "red"}
    (tmp_path / "train.jsonl").write_text(f"{json.dumps(short)}\n{json.dumps(long)}\n")
    given = (str(folder / "clips"), "--conversations", "train.jsonl", "-o", "run", *FEW)
    narrow = ("--context", "150", "--rate-dist", "fixed:0.5")
    first, second = run_in_two("train", "scorer", *given, *narrow, cwd=tmp_path)
    assert f"{first.err}{second.err}".count("tokens are more than the context of 150") == 1
    history = json.loads((tmp_path / "run" / "report.json").read_text())["history"]
    assert [{*entry["loss"]} for entry in history] == [{ANSWER, CHANGE}] * 2
    assert [len(entry["left_out"]) for entry in history] == [1, 1]  # named once all the same
