"""Uptraining on stored tokens: its batches, its gradients, its result, and going on."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from evscli.api import prune_videos
from evscli.bundled import MINI_FOLDER
from evscli.cli.train_report import ProgressPrinter
from evscli.datasets import VideoDataset
from evscli.encoders.files import find_model
from evscli.encoders.scorer import OWN_FILE
from evscli.errors import DamagedError, UsageError
from evscli.job import Encoding, Job, Selection, Storage
from evscli.language.generate import load_language_model
from evscli.language.prefill import prefill
from evscli.mini.exam.examples import FilmExamples
from evscli.records import PrunedVideo
from evscli.store import open_store
from evscli.train.loop import train
from evscli.train.task import TrainingError, TrainingTask
from evscli.train.tuning.conversations import read_conversations
from evscli.train.tuning.order import AT_ONCE, chunked
from evscli.train.tuning.result import write_checkpoint
from evscli.train.tuning.weights import sees
from evscli.train.uptrain.batches import (
    PrunedBatches,
    StoredExamples,
    TuningBatch,
    alike,
    check_tokens,
)
from evscli.train.uptrain.learner import UptrainLearner
from evscli.train.uptrain.plan import UptrainPlan
from evscli.train.uptrain.task import uptrain_task
from tests.checkpoints import make_checkpoint
from tests.cli.in_process import run_here
from tests.train.drawn import served
from tests.train.launched import run_in_two
from tests.videos import write_video

PLAN = UptrainPlan(steps=4, batch=3, accumulate=2, warmup=1, rate=1e-3)
ENTRIES = ((1, "b1"), (1, "b2"), (0, "a1"), (1, "b3"), (0, "a2"))
QUESTION = "what color is the ball?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips, a store of all of their tokens, and conversations about them."""
    folder = tmp_path_factory.mktemp("uptrain")
    (folder / "clips").mkdir()
    for seed, name in enumerate(("a", "b")):
        write_video(folder / "clips" / f"{name}.mp4", frames=16, size=(64, 96), seed=seed)
    job = Job(
        selection=Selection(methods=("none",)),
        encoding=Encoding(model="mini"),
        storage=Storage(output=str(folder / "store")),
    )
    prune_videos([str(folder / "clips")], job)
    lines = [
        {"video": video, "question": QUESTION, "answer": answer}
        for video, answer in (("a", "red"), ("b", "blue"), ("a", "green"))
    ]
    (folder / "train.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def task_of(folder: Path, plan: UptrainPlan = PLAN) -> Any:
    store = folder / "store"
    read = read_conversations(folder / "train.jsonl", open_store(store))
    examples = StoredExamples(store=str(store), conversations=read.found, seed=plan.seed)
    return uptrain_task(find_model("mini"), plan, examples, device="cpu")[0]


def learner_of(task: TrainingTask[TuningBatch]) -> UptrainLearner:
    learner = task.make_learner(torch.device("cpu"))
    assert isinstance(learner, UptrainLearner)
    return learner


def batch_of(task: TrainingTask[TuningBatch], step: int) -> TuningBatch:
    batch: TuningBatch = task.batches[step]
    return batch


def test_one_rate_prunes_all_videos_of_a_batch(folder: Path) -> None:
    task = task_of(folder, UptrainPlan(steps=9, batch=3, rate_dist="uniform:0.3,0.7"))
    for step in range(3):
        batch = batch_of(task, step)
        assert 0.3 <= batch.rate <= 0.7
        # EVS keeps the first of 8 temporal patches whole, and rounds down.
        assert batch.kept / batch.total == pytest.approx(1 - batch.rate, abs=0.02)
        again = batch_of(task, step)
        assert (again.rate, again.kept) == (batch.rate, batch.kept)
        assert torch.equal(again.parts[0]["input_ids"], batch.parts[0]["input_ids"])


def test_methods_take_turns_batch_by_batch(folder: Path) -> None:
    """Each batch is that of its method alone, at the rate and with the videos of its step."""
    both, *alone = (
        task_of(folder, UptrainPlan(steps=4, batch=3, methods=methods, rate_dist="fixed:0.5"))
        for methods in (("evs", "surprise"), ("evs",), ("surprise",))
    )
    for step in range(4):
        ours = batch_of(both, step)
        same = [same_places(ours, batch_of(task, step)) for task in alone]
        assert same == [step % 2 == 0, step % 2 == 1]


def same_places(one: TuningBatch, other: TuningBatch) -> bool:
    """Whether the first parts of two batches keep tokens of the same places."""
    return torch.equal(*(batch.parts[0]["position_ids"] for batch in (one, other)))


def test_every_conversation_comes_once_in_an_epoch(folder: Path) -> None:
    read = read_conversations(folder / "train.jsonl", open_store(folder / "store"))
    examples = StoredExamples(store=str(folder / "store"), conversations=read.found, seed=0)
    order = examples.shuffled.order
    orders = [[order(3 * epoch + place) for place in range(3)] for epoch in range(6)]
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert len({tuple(order) for order in orders}) > 1


def test_conversations_about_one_video_follow_each_other(folder: Path) -> None:
    assert chunked(["a", "b", "a", "c"]) == [[0, 2], [1], [3]]
    many = chunked(["a"] * (AT_ONCE + 2))
    assert [len(chunk) for chunk in many] == [AT_ONCE, 2]
    task = task_of(folder, UptrainPlan(steps=9, batch=3))
    batch = batch_of(task, 0)
    (part,) = batch.parts
    assert len(part["input_ids"]) == 2  # videos, of three conversations


def test_what_does_not_fit_the_context_is_left_out_and_named(folder: Path, tmp_path: Path) -> None:
    plan = UptrainPlan(steps=2, batch=3, context=100, rate_dist="fixed:0.5")
    assert batch_of(task_of(folder, plan), 0).left_out == []
    narrow = replace(plan, context=60)
    batch = batch_of(task_of(folder, narrow), 0)
    assert not batch.parts
    assert len(batch.left_out) == 3
    assert re.fullmatch(r"[ab]: \d+ tokens are more than the context of 60", batch.left_out[0])
    with pytest.raises(TrainingError, match="no example of any step can be learned from"):
        train(task_of(folder, narrow), tmp_path, processes=0)


class HalfEmpty(PrunedBatches):
    """Batches of which the first and the third hold nothing."""

    def __getitem__(self, step: int) -> TuningBatch:
        batch = super().__getitem__(step)
        return batch if step % 2 else replace(batch, parts=[], left_out=[f"all of {step}"])


def half_empty(folder: Path) -> TrainingTask[TuningBatch]:
    task: TrainingTask[TuningBatch] = task_of(folder)
    assert isinstance(task.batches, PrunedBatches)
    batches = task.batches
    left = HalfEmpty(batches.examples, batches.collate, batches.plan)
    return replace(task, batches=left)


def test_a_step_without_examples_changes_nothing_and_the_run_goes_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports: list[Any] = []
    whole = train(half_empty(folder), tmp_path / "whole", processes=0, on_report=reports.append)
    assert reports[0]["left_out"] == ["all of 0", "all of 2"]
    first = train(half_empty(folder), tmp_path / "parts", processes=0, until=1)
    with closing(ProgressPrinter(4, "uptraining")) as printer:
        printer.report(first.history[0])
    assert "step 1 of 4: nothing learned" in capsys.readouterr().err
    before = load_language_model("mini", dtype="float32").model.state_dict()
    learned = learner_of(half_empty(folder))
    learned.restore(first.learner.state())
    assert all(learned.module.state_dict()[name].equal(before[name]) for name in before)
    rest = train(half_empty(folder), tmp_path / "parts", processes=0)
    ours, theirs = rest.learner.state(), whole.learner.state()
    assert all(ours[name].equal(theirs[name]) for name in theirs)
    assert any(key.startswith("adamw/") for key in theirs)


class HalfDamaged(VideoDataset):
    """A store whose second video cannot be read."""

    def __getitem__(self, number: int) -> PrunedVideo:
        if number == 1:
            raise DamagedError("its shard is damaged")
        return super().__getitem__(number)


def test_a_damaged_video_is_left_out_and_the_others_learned_from(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = task_of(folder, UptrainPlan(steps=2, batch=3))
    task.batches.examples.__dict__["videos"] = HalfDamaged(folder / "store")  # type: ignore[attr-defined]
    batch = batch_of(task, 0)
    assert batch.left_out == ["b: its shard is damaged"]
    (part,) = batch.parts
    assert len(part["input_ids"]) == 1
    reports: list[Any] = []
    trained = train(task, tmp_path, processes=0, on_report=reports.append)
    assert trained.history[0]["left_out"] == batch.left_out * 2
    with closing(ProgressPrinter(2, "uptraining")) as printer:
        printer.report(reports[0])
    assert capsys.readouterr().err.count("left out: b: its shard is damaged") == 1


def test_parts_of_a_batch_give_the_gradient_of_the_whole(folder: Path) -> None:
    grads: list[dict[str, Tensor]] = []
    for accumulate in (1, 3):
        task = task_of(folder, UptrainPlan(steps=4, batch=3, accumulate=accumulate, rate=1e-3))
        learner = learner_of(task)
        batch = batch_of(task, 0)
        assert len(batch.parts) == accumulate
        learner.step(0, batch)
        grads.append({key: value for key, value in learner.state().items() if "exp_avg" in key})
    for name, value in grads[0].items():
        torch.testing.assert_close(value, grads[1][name], rtol=1e-3, atol=1e-6)


def test_short_videos_do_not_stand_beside_long_ones(folder: Path) -> None:
    dataset = VideoDataset(folder / "store")
    made = [(dataset[number], ({"role": "user", "content": name},)) for number, name in ENTRIES]
    long, short = made[0][0].info.kept, made[0][0].info.kept // 8
    cut = [
        (replace(record, info=replace(record.info, kept=short if record.id == "b" else long)), talk)
        for record, talk in made
    ]
    names = [[talk[0]["content"] for _, talk in part] for part in alike(cut, 9)]
    assert names == [["a1", "a2"], ["b1", "b2", "b3"]]
    names = [[talk[0]["content"] for _, talk in part] for part in alike(cut, 2)]
    assert names == [["a1", "a2"], ["b1", "b2"], ["b3"]]
    names = [[talk[0]["content"] for _, talk in part] for part in alike(made, 9)]
    assert names == [["b1", "b2", "a1", "b3", "a2"]]  # of one length, and in their order


def test_only_the_language_part_learns(folder: Path) -> None:
    task = task_of(folder)
    learner = learner_of(task)
    before = {name: value.clone() for name, value in learner.module.state_dict().items()}
    learner.step(0, batch_of(task, 0))
    changed = {
        name for name, value in learner.module.state_dict().items() if not value.equal(before[name])
    }
    assert changed
    assert not any(map(sees, changed))


def test_the_loss_falls(folder: Path, tmp_path: Path) -> None:
    plan = UptrainPlan(steps=30, batch=3, warmup=1, rate=3e-3, rate_dist="fixed:0.5")
    trained = train(task_of(folder, plan), tmp_path, processes=0, report_every=10)
    first, *_, last = (entry["loss"]["answer"] for entry in trained.history)
    assert last < 0.5 * first


def test_a_run_that_is_stopped_goes_on_as_if_it_was_not(folder: Path, tmp_path: Path) -> None:
    whole = train(task_of(folder), tmp_path / "whole", processes=0)
    train(task_of(folder), tmp_path / "parts", until=2, processes=0)
    rest = train(task_of(folder), tmp_path / "parts", processes=0)
    ours, theirs = rest.learner.state(), whole.learner.state()
    assert ours.keys() == theirs.keys()
    assert all(ours[name].equal(theirs[name]) for name in ours)


@pytest.mark.slow
def test_mini_learns_from_procedural_videos_of_its_own(tmp_path: Path) -> None:
    few = ("--steps", "1", "--batch", "5", "--processes", "0", "--device", "cpu", "-o", "run")
    result = run_here("train", "uptrain", *few, cwd=tmp_path)
    assert result.code == 0, result.err
    (entry,) = json.loads((tmp_path / "run" / "report.json").read_text())["history"]
    assert 0 < entry["loss"]["answer"] < 1  # mini answers most of them


def written(folder: Path) -> dict[str, bytes]:
    """The bytes of a run's store, of its conversations and of the weights that it made."""
    paths = [*folder.glob("store/**/*.safetensors"), *folder.glob("film-conversations.jsonl")]
    paths.append(folder / "model" / "model.safetensors")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.slow
def test_procedural_videos_encoded_once_serve_many_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files are the same whether this process or others encode and draw batches."""
    monkeypatch.setattr("evscli.train.drawing.DataLoader", served)
    few = ("--steps", "2", "--batch", "5", "--device", "cpu")
    new = ("--films", "2")
    data = ("--store", "run/store", "--conversations", "run/film-conversations.jsonl")
    for name, source, processes in (("run", new, 1), ("again", new, 0), ("other", data, 0)):
        given = (*source, *few, "--processes", str(processes), "-o", name)
        result = run_here("train", "uptrain", *given, cwd=tmp_path)
        assert result.code == 0, result.err
    names = ["film-0-00000", "film-0-00001"]
    assert sorted(open_store(tmp_path / "run" / "store")) == names
    ours, again, other = (written(tmp_path / name) for name in ("run", "again", "other"))
    assert len(ours) == 3
    assert again == ours
    assert other == {"model/model.safetensors": ours["model/model.safetensors"]}
    films = FilmExamples(encoding=Encoding(), seed=0)
    lines = (tmp_path / "run" / "film-conversations.jsonl").read_text().splitlines()
    asked = [json.loads(line) for line in lines]
    assert {line["video"] for line in asked} == {*names}
    assert len(asked) == sum(len(films.film(number).questions) for number in range(2))
    both = run_here("train", "uptrain", "--films", "2", *data, *few, "-o", "run", cwd=tmp_path)
    assert both.code == 2
    assert "give no videos, --store or --conversations beside them" in both.err
    before = (tmp_path / "run" / "film-conversations.jsonl").read_bytes()
    more = run_here("train", "uptrain", "--films", "3", *few, "-o", "run", cwd=tmp_path)
    assert more.code == 2
    assert "from another training run (another checkpoint, other videos" in more.err
    assert "encoding" not in more.err
    assert sorted(open_store(tmp_path / "run" / "store")) == names
    assert (tmp_path / "run" / "film-conversations.jsonl").read_bytes() == before


def test_another_method_or_other_data_do_not_go_on(folder: Path, tmp_path: Path) -> None:
    given = ("--store", str(folder / "store"), "--conversations", "train.jsonl", "-o", "run")
    few = ("--steps", "1", "--batch", "1", "--processes", "0", "--device", "cpu")
    lines = (folder / "train.jsonl").read_text().splitlines()
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    assert run_here("train", "uptrain", *given, *few, cwd=tmp_path).code == 0
    other = run_here("train", "uptrain", *given, *few, "--method", "vcast", cwd=tmp_path)
    assert other.code == 2
    assert "from another training run (methods evs there, vcast asked)" in other.err
    (tmp_path / "train.jsonl").write_text("\n".join(lines[:2]))
    less = run_here("train", "uptrain", *given, *few, cwd=tmp_path)
    assert less.code == 2
    assert "from another training run (another checkpoint, other videos" in less.err


@pytest.mark.parametrize("lora", [None, 2])
def test_layers_that_are_computed_again_give_the_same_gradient(
    folder: Path, lora: int | None
) -> None:
    grads: list[dict[str, Tensor]] = []
    for recompute in (False, True):
        plan = UptrainPlan(steps=4, batch=3, rate=1e-3, lora=lora, recompute=recompute)
        learner = learner_of(task := task_of(folder, plan))
        inner = [m for m in learner.module.modules() if getattr(m, "gradient_checkpointing", False)]
        assert bool(inner) == recompute
        learner.step(0, batch_of(task, 0))
        grads.append({key: value for key, value in learner.state().items() if "exp_avg" in key})
    for name, value in grads[0].items():
        torch.testing.assert_close(value, grads[1][name], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("lora", [None, 2])
def test_the_result_is_a_checkpoint_that_old_stores_belong_to(
    folder: Path, tmp_path: Path, lora: int | None
) -> None:
    task = task_of(folder, UptrainPlan(steps=2, batch=2, warmup=1, rate=1e-2, lora=lora))
    trained = train(task, tmp_path / "run", processes=0)
    learner = trained.learner
    assert isinstance(learner, UptrainLearner)
    write_checkpoint(learner.module, find_model("mini"), tmp_path / "model", command="trained")
    tuned, mini = (load_language_model(name) for name in (str(tmp_path / "model"), "mini"))
    ours, theirs = tuned.model.state_dict(), mini.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if sees(name) and not ours[name].equal(theirs[name])} == set()
    assert any(not ours[name].equal(theirs[name]) for name in ours)
    record = open_store(folder / "store")["a"]
    prefill(record, tuned.tokenizer, QUESTION, model=tuned.model)  # which checks the vision weights
    assert tuned.model.config.evs_tuning == "trained"
    own = [find_model(name).get(OWN_FILE) for name in (str(tmp_path / "model"), "mini")]
    assert own[0] is not None
    assert own[1] is not None
    assert own[0].read_bytes() == own[1].read_bytes()  # what it looks into has not changed
    # A serving engine takes every safetensors file beside the configuration for weights.
    for checkpoint in (tmp_path / "model", MINI_FOLDER):
        assert [path.name for path in checkpoint.glob("*.safetensors")] == ["model.safetensors"]


def test_a_finished_run_is_blended_with_what_it_began_with(folder: Path, tmp_path: Path) -> None:
    given = ("--store", str(folder / "store"), "--conversations", "train.jsonl", "-o", "run")
    few = ("--steps", "2", "--batch", "2", "--learning-rate", "0.1", "--processes", "0")
    shutil.copy(folder / "train.jsonl", tmp_path)
    weights = []
    for blend in ((), ("--blend", "0.75")):
        result = run_here("train", "uptrain", *given, *few, *blend, cwd=tmp_path)
        assert result.code == 0, result.err
        weights.append(load_file(tmp_path / "run" / "model" / "model.safetensors"))
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert (report["blend"], report["steps"], len(report["history"])) == (0.75, 2, 2)
    before = load_file(MINI_FOLDER / "model.safetensors")
    moved = 0
    for name, first in before.items():
        whole, blended = (one[name].float() for one in weights)
        moved += not whole.equal(first.float())
        expected = 0.75 * first.float() + 0.25 * whole
        torch.testing.assert_close(blended, expected, rtol=2**-6, atol=1e-3)
    assert moved > 0


def test_the_command_trains_and_says_what_it_left_out(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "train.jsonl").read_text() + '{"video": "gone"}\n'
    (tmp_path / "train.jsonl").write_text(lines)
    given = ("--store", str(folder / "store"), "--conversations", "train.jsonl", "-o", "run")
    few = ("--steps", "2", "--batch", "2", "--processes", "0", "--device", "cpu")
    result = run_here("train", "uptrain", *given, *few, cwd=tmp_path)
    assert result.code == 0, result.err
    assert "left out: train.jsonl:4: no video has the id 'gone'" in result.err
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["steps"] == 2
    assert "--batch 2" in report["trained_by"]
    assert [sorted(entry) for entry in report["history"]] == [["loss", "step"]] * 2
    assert re.search(r"^time       2 steps in [\d.]+ s$", result.out, re.MULTILINE)
    assert re.search(r"^plan       rate_dist beta:1.2,1.2, steps 2, ", result.out, re.MULTILINE)
    assert "default" not in result.out
    asked = run_here(
        "ask", str(folder / "store"), "a", QUESTION, "--model", "run/model", cwd=tmp_path
    )
    assert asked.code == 0, asked.err


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("--store", "s"), "--conversations are about videos or a --store"),
        (("--method", "cdpruner"), "does not score finished tokens alone"),
        (("--method", "window-diff"), "does not score finished tokens alone"),
        (("--method", "none"), "method 'none' keeps every token at any rate: choose one that"),
        (("--learning-rate", "1e30"), "--learning-rate must be below 1, got 1e+30"),
        (("--method", "evs", "--method", "cdpruner"), "'cdpruner' does not score finished tokens"),
        (("--batch", "2", "--accumulate", "3"), "--accumulate 3 is more parts than a batch of 2"),
        (("--blend", "1"), "--blend must be below 1, got 1.0"),
        (("--rate-dist", "gamma:1"), "'gamma:1' is not a distribution of rates"),
    ],
)
def test_a_wrong_call_is_one_line(given: tuple[str, ...], line: str, tmp_path: Path) -> None:
    result = run_here("train", "uptrain", *given, "-o", "run", cwd=tmp_path)
    assert result.code == 2, result.err
    assert line in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_a_precision_that_the_device_lacks_is_refused(tmp_path: Path) -> None:
    given = ("--precision", "fp16", "--device", "cpu")
    result = run_here("train", "uptrain", *given, "-o", "run", cwd=tmp_path)
    assert result.code == 2, result.err
    assert "--precision fp16 cannot be had on cpu (a CPU has no units for it)" in result.error
    assert not (tmp_path / "run").exists()


def test_videos_are_encoded_once_into_a_store_of_the_run(folder: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    shutil.copytree(folder / "clips", clips)
    (clips / "broken.mp4").write_bytes(b"no video")
    given = ("clips", "--conversations", str(folder / "train.jsonl"), "-o", "run")
    few = ("--steps", "2", "--batch", "2", "--processes", "0", "--device", "cpu")
    result = run_here("train", "uptrain", *given, *few, cwd=tmp_path)
    assert result.code == 0, result.err
    assert "encoding the videos, once, into run/store" in result.err
    assert "left out: " in result.err
    assert "broken.mp4" in result.err
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["trained_by"].startswith("evs train uptrain clips --conversations ")
    assert sorted(open_store(tmp_path / "run" / "store")) == ["a", "b"]
    stored = ("--store", "run/store", *given[1:-1], "stored")
    again = run_here("train", "uptrain", *stored, *few, cwd=tmp_path)
    assert again.code == 0, again.err
    ours, theirs = (
        json.loads((tmp_path / name / "report.json").read_text())["history"]
        for name in ("run", "stored")
    )
    assert ours == theirs


def test_conversations_are_read_before_any_video_is_encoded(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(
        json.dumps({"video": "a", "question": "hello", "answer": "red"})
    )
    bad = "bad.jsonl:1: mini does not know 'hello'"
    for name, reason in (("typo.jsonl", "cannot read"), ("bad.jsonl", bad)):
        given = (str(folder / "clips"), "--conversations", name, "-o", "run")
        result = run_here("train", "uptrain", *given, cwd=tmp_path)
        assert result.code == 2
        assert reason in result.err
        assert not (tmp_path / "run" / "store").exists()


def test_ids_name_the_videos_of_the_inputs(folder: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    shutil.copytree(folder / "clips", clips)
    (clips / "notes.md").write_text("about the clips")
    asked = {"question": QUESTION, "options": ["red", "blue"], "answer": "red"}
    line = {"video": "a.mp4", **asked}
    (tmp_path / "train.jsonl").write_text(json.dumps(line))
    given = ("clips", "--conversations", "train.jsonl", "-o", "run")
    few = ("--steps", "1", "--batch", "1", "--processes", "0", "--device", "cpu")
    other = run_here("train", "uptrain", *given, *few, cwd=tmp_path)
    assert "no video has the id 'a.mp4'" in other.err
    result = run_here("train", "uptrain", *given, *few, "--ids", "suffix", cwd=tmp_path)
    assert result.code == 0, result.err
    assert "1 file was left out: 1 .md" in result.err
    assert sorted(open_store(tmp_path / "run" / "store")) == ["a.mp4", "b.mp4"]
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["trained_by"].endswith(" --ids suffix -o run")


def test_a_store_that_lacks_tokens_is_refused_before_the_first_step(
    folder: Path, tmp_path: Path
) -> None:
    for method in ("evs", "norm"):
        job = Job(
            selection=Selection(methods=(method,), budgets=(0.5,)),
            encoding=Encoding(model="mini"),
            storage=Storage(output=str(tmp_path / method)),
        )
        prune_videos([str(folder / "clips" / "a.mp4")], job)
    half, norm = open_store(tmp_path / "evs"), UptrainPlan(methods=("norm",), rate_dist="fixed:0.6")
    with pytest.raises(UsageError, match=r"give at most 0\.5, or prune with a larger budget"):
        check_tokens(half, ["a"], UptrainPlan())
    with pytest.raises(UsageError, match="prune with --budget 1, or with --method none"):
        check_tokens(half, ["a"], norm)
    check_tokens(open_store(tmp_path / "norm"), ["a"], norm)  # which no step draws a larger budget
    given = ("--store", "evs", "--conversations", str(folder / "train.jsonl"), "-o", "run")
    result = run_here("train", "uptrain", *given, cwd=tmp_path)
    assert (result.code, (tmp_path / "run").exists()) == (2, False)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("clips", "--store", "store"), "videos and --store exclude each other"),
        (("clips",), "--conversations are about videos or a --store: give both"),
        (("--conversations", "train.jsonl"), "--conversations are about videos or a --store"),
    ],
)
def test_sources_that_do_not_go_together_are_refused(
    folder: Path, tmp_path: Path, given: tuple[str, ...], reason: str
) -> None:
    result = run_here("train", "uptrain", *given, "-o", str(tmp_path / "run"), cwd=folder)
    assert result.code == 2
    assert reason in result.err


@pytest.mark.parametrize("part", ["", "inside"])
def test_the_checkpoint_to_begin_with_is_not_replaced(tmp_path: Path, part: str) -> None:
    begun = tmp_path / "run" / "model" / part
    shutil.copytree(MINI_FOLDER, begun, ignore=shutil.ignore_patterns("*.py", "training", "exam"))
    before = sorted(begun.iterdir())
    for command in ("uptrain", "scorer"):
        result = run_here("train", command, "--model", str(begun), "-o", "run", cwd=tmp_path)
        assert result.code == 2
        assert "in place of the checkpoint that the run begins with" in result.error
        assert sorted(begun.iterdir()) == before


def test_videos_that_come_after_the_beginning_are_refused_before_they_are_encoded(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder / "clips", tmp_path / "clips")
    given = ("clips", "--conversations", str(folder / "train.jsonl"), "-o", "run")
    few = ("--steps", "1", "--batch", "1", "--processes", "0", "--device", "cpu")
    assert run_here("train", "uptrain", *given, *few, cwd=tmp_path).code == 0
    again = run_here("train", "uptrain", *given, *few, cwd=tmp_path)
    assert again.code == 0, again.err
    assert "encoding the videos" not in again.err
    other = run_here("train", "uptrain", *given, *few, "--seed", "1", cwd=tmp_path)
    assert (other.code, "seed 0 there, 1 asked" in other.err) == (2, True)
    shutil.copyfile(tmp_path / "clips" / "a.mp4", tmp_path / "clips" / "c.mp4")
    more = run_here("train", "uptrain", *given, *few, cwd=tmp_path)
    assert more.code == 2
    assert "c.mp4 is not in run/store, and a run that has begun takes no new videos" in more.error
    assert sorted(open_store(tmp_path / "run" / "store")) == ["a", "b"]


def test_another_checkpoint_does_not_go_on(folder: Path, tmp_path: Path) -> None:
    """Its vision part is the same, and so are the stored tokens; its language part differs."""
    base = tmp_path / "base"
    shutil.copytree(MINI_FOLDER, base, ignore=shutil.ignore_patterns("*.py", "training", "exam"))
    given = ("--store", str(folder / "store"), "--conversations", str(folder / "train.jsonl"))
    few = ("--steps", "1", "--batch", "1", "--processes", "0", "--device", "cpu", "-o", "run")
    words = ("train", "uptrain", "--model", "base", *given, *few)
    assert run_here(*words, cwd=tmp_path).code == 0
    weights = load_file(base / "model.safetensors")
    weights["model.language_model.norm.weight"] *= 2
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    other = run_here(*words, cwd=tmp_path)
    assert other.code == 2
    assert "from another training run (another checkpoint, other videos" in other.error


@pytest.mark.parametrize("given", [("--films", "1"), ()])
def test_procedural_videos_are_refused_for_a_model_that_they_do_not_fit(
    tmp_path: Path, given: tuple[str, ...]
) -> None:
    make_checkpoint(tmp_path / "other", "qwen2_5_vl")
    result = run_here(
        "train", "uptrain", *given, "--model", "other", "-o", "run", "--device", "cpu", cwd=tmp_path
    )
    assert result.code == 2, result.err
    assert "procedural videos are drawn for mini" in result.error
    assert not (tmp_path / "run").exists()


class Unwritable(torch.nn.Module):
    """A model whose weights do not fit the disk."""

    config = SimpleNamespace()

    def save_pretrained(self, folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        raise SafetensorError("Error while serializing: No space left on device (os error 28)")


def test_a_full_disk_leaves_the_former_result(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    with pytest.raises(OSError, match=r"model cannot be written \(.*No space left on device"):
        write_checkpoint(Unwritable(), find_model("mini"), tmp_path / "model", command="")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["config.json"]


@pytest.mark.slow
def test_two_processes_learn_what_one_does(folder: Path, tmp_path: Path) -> None:
    """Each takes an unequal share of every batch; the first alone encodes, writes and prints."""
    given = (str(folder / "clips"), "--conversations", str(folder / "train.jsonl"), "-o")
    few = ("--steps", "2", "--batch", "3", "--processes", "0", "--device", "cpu")
    few = (*few, "--rate-dist", "fixed:0.5", "--learning-rate", "0.001", "--warmup", "1")
    first, second = run_in_two("train", "uptrain", *given, "both", *few, cwd=tmp_path)
    assert "trained by evs train uptrain" in first.out
    assert "encoding the videos, once" in first.err
    assert "encoding the videos, once" not in second.err
    assert second.out == ""
    alone = run_here("train", "uptrain", *given, "one", *few, cwd=tmp_path)
    assert alone.code == 0, alone.err
    ours, theirs = (
        json.loads((tmp_path / name / "report.json").read_text())["history"][0]["loss"]["answer"]
        for name in ("both", "one")
    )
    assert ours == pytest.approx(theirs, rel=1e-3)
    ours, theirs = (
        load_language_model(str(tmp_path / name / "model"), dtype="float32").model.state_dict()
        for name in ("both", "one")
    )
    before = load_language_model("mini", dtype="float32").model.state_dict()
    moved = torch.cat([(theirs[name] - before[name]).flatten() for name in ours])
    apart = torch.cat([(ours[name] - theirs[name]).flatten() for name in ours])
    assert moved.norm() > 0
    assert apart.norm() < 0.2 * moved.norm()
