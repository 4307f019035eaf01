"""A run that is stopped, killed and resumed is the run that never was; and it learns."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from evscli.errors import UsageError
from evscli.mini.form import mini_tokenizer
from evscli.mini.training.batches import FilmBatches
from evscli.mini.training.learner import MiniLearner, mini_task, naming_loss
from evscli.mini.training.plan import TrainingPlan
from evscli.mini.world.questions import KINDS
from evscli.train.checkpoint import (
    CHECKPOINT_FILE,
    Checkpoint,
    TrainingReport,
    load_checkpoint,
    save_checkpoint,
)
from evscli.train.drawing import batches
from evscli.train.learner import Learner
from evscli.train.loop import (
    Trained,
    TrainingError,
    TrainingRun,
    Window,
    refuse_nan,
    train,
    training_report,
)
from evscli.train.task import CPU, Learned
from tests.evs import wait_until
from tests.store.processes import start
from tests.train.adding import adding

pytestmark = pytest.mark.slow

PLAN = TrainingPlan(seed=54, steps=1000, looks=1, tokens=1)
STEPS = 4


def go(folder: Path, *, plan: TrainingPlan = PLAN, **options: Any) -> Trained:
    """A few steps of a learner of a few weights, drawn in this process."""
    return train(adding(plan), folder, processes=0, **{"until": STEPS} | options)


UNGUARDED = """
from evscli.train.drawing import batches

print("begun", flush=True)
print(*batches([1, 2, 3, 4], 1, 3, 1))
"""


def test_a_script_that_has_batches_drawn_needs_no_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["begun", "2 3"]


def test_a_signal_to_the_whole_group_ends_no_process_that_draws() -> None:
    """It ends when the process that trains asks it to."""
    drawn = batches(range(1, 9), 0, 8, 1)  # type: ignore[arg-type]
    assert next(drawn) == 1
    (process,) = multiprocessing.active_children()
    for name in ("-INT", "-TERM"):
        subprocess.run(["kill", name, str(process.pid)], check=True)
    assert [next(drawn) for _ in range(3)] == [2, 3, 4]
    wait_until(lambda: taken(process.pid, signal.SIGTERM))  # a second one at once would be lost
    process.terminate()
    process.join(60)
    assert process.exitcode == 0


def taken(pid: int | None, number: signal.Signals) -> bool:
    """Whether no signal of this number waits for a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    waiting = next(line.split()[1] for line in lines if line.startswith("ShdPnd"))
    return not int(waiting, 16) >> (number - 1) & 1


def load(folder: Path, plan: TrainingPlan = PLAN) -> Checkpoint:
    found = load_checkpoint(folder, plan)
    assert found is not None
    return found


def equal(one: Checkpoint, other: Checkpoint) -> bool:
    """Whether two checkpoints hold the same weights and the same state of their optimizers."""
    return (
        one.step == other.step
        and one.tensors.keys() == other.tensors.keys()
        and all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    )


def by_hand(learner: Learner[Any], data: Any, steps: int) -> Checkpoint:
    """What the learner's steps on the first batches give, without a run around them."""
    for step in range(steps):
        learner.step(step, data[step])
    return Checkpoint(
        step=steps, seconds=0.0, history=[], machines=[], algorithms=[], tensors=learner.state()
    )


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """What four steps without a break give."""
    folder = tmp_path_factory.mktemp("straight")
    go(folder, report_every=2)
    return load(folder)


def test_a_run_is_the_learners_steps_on_the_plans_batches_in_order(straight: Checkpoint) -> None:
    task = adding(PLAN)
    assert equal(by_hand(task.make_learner(CPU), task.batches, STEPS), straight)


def test_a_stopped_run_goes_on_bit_for_bit(straight: Checkpoint, tmp_path: Path) -> None:
    resumed: list[tuple[int, float]] = []
    steps: list[int] = []
    options = {
        "report_every": 2,
        "on_resume": lambda run: resumed.append((run.step, run.spent)),
        "on_step": steps.append,
    }
    first = go(tmp_path, until=2, **options)
    assert (first.step, resumed, steps) == (2, [], [1, 2])
    between = load(tmp_path)
    second = go(tmp_path, **options)
    assert (second.step, resumed, steps) == (4, [(2, between.seconds)], [1, 2, 3, 4])
    assert second.seconds >= between.seconds
    assert any(name.startswith("muon/") for name in straight.tensors)
    assert any(name.startswith("adamw/") for name in straight.tensors)
    assert equal(load(tmp_path), straight)
    assert load(tmp_path).history == second.history == straight.history
    assert [report["step"] for report in straight.history] == [2, 4]


def test_a_run_asked_to_stop_ends_after_the_step_and_goes_on(
    straight: Checkpoint, tmp_path: Path
) -> None:
    steps: list[int] = []
    stopped = go(tmp_path, on_step=steps.append, stop=lambda: steps == [1, 2])
    assert (stopped.step, load(tmp_path).step) == (3, 3)
    assert stopped.history[-1]["step"] == 3
    go(tmp_path)
    assert equal(load(tmp_path), straight)


def train_mini(tokenizer: Any, folder: Path, **options: Any) -> Trained:
    """A step on single moments and two on films, with a checkpoint after the first film."""
    task = mini_task(tokenizer, PLAN)
    return train(task, folder, processes=0, until=3, checkpoint_every=2, **options)


def killed_while_training(folder: str) -> None:
    """A sudden end comes as the results of the second film are reported, before they are saved."""

    def die(_report: TrainingReport) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    train_mini(mini_tokenizer(), Path(folder), on_report=die)


def test_a_killed_run_of_mini_goes_on_bit_for_bit(tokenizer: Any, tmp_path: Path) -> None:
    process = start(killed_while_training, str(tmp_path))
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert load(tmp_path).step == 2
    train_mini(tokenizer, tmp_path)
    whole = by_hand(MiniLearner(tokenizer, PLAN), FilmBatches(tokenizer, PLAN), 3)
    assert equal(load(tmp_path), whole)


def test_going_on_with_something_else_is_noticed(tmp_path: Path) -> None:
    moved: list[bool] = []

    def resume(run: TrainingRun[Any]) -> None:
        moved.append(run.moved)

    first = go(tmp_path, until=1)
    assert len(first.machines) == 1
    go(tmp_path, until=1, on_resume=resume)
    before = load(tmp_path)
    elsewhere = [{**first.machines[0], "threads": 64}]
    save_checkpoint(tmp_path, PLAN, replace(before, machines=elsewhere))
    last = go(tmp_path, until=2, on_resume=resume)
    assert moved == [False, True]
    assert last.machines == load(tmp_path).machines == [*elsewhere, *first.machines]


def test_a_checkpoint_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    go(tmp_path)
    found = load(tmp_path)
    for name in (min(found.tensors), max(found.tensors)):  # of the optimizer, and a weight
        tensors = {key: value for key, value in found.tensors.items() if key != name}
        save_checkpoint(tmp_path, PLAN, replace(found, tensors=tensors))
        weight = name.removesuffix("/exp_avg")
        with pytest.raises(UsageError, match=f"cannot be read .*{weight}.*remove it to start"):
            go(tmp_path, until=STEPS + 1)


def test_a_finished_run_is_made_by_no_other_machine(tmp_path: Path) -> None:
    plan = replace(PLAN, steps=3)
    go(tmp_path, plan=plan, until=None)
    done = load(tmp_path, plan)
    elsewhere = [{**done.machines[0], "threads": 64}]
    save_checkpoint(tmp_path, plan, replace(done, machines=elsewhere))
    moved: list[bool] = []
    again = go(tmp_path, plan=plan, until=None, on_resume=lambda run: moved.append(run.moved))
    assert (again.machines, moved) == (elsewhere, [False])


def test_a_finished_run_is_not_done_again(tmp_path: Path) -> None:
    reports: list[TrainingReport] = []
    go(tmp_path, until=1)
    before = (tmp_path / CHECKPOINT_FILE).read_bytes()
    again = go(tmp_path, until=1, on_report=reports.append)
    assert (again.step, len(again.history), reports) == (1, 1, [])
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == before
    assert {f"weights/{name}" for name, _ in again.learner.masters.named_parameters()} <= set(
        load(tmp_path).tensors
    )


def test_a_finished_run_goes_on_with_more_steps_bit_for_bit(tmp_path: Path) -> None:
    plan = replace(PLAN, steps=2)
    longer = replace(plan, more=1)
    go(tmp_path / "later", plan=plan, until=None)
    go(tmp_path / "later", plan=longer, until=None)
    whole = go(tmp_path / "at-once", plan=longer, until=None)
    assert whole.step == 3
    assert equal(load(tmp_path / "later", longer), load(tmp_path / "at-once", longer))


def test_training_lowers_the_losses(tokenizer: Any, tmp_path: Path) -> None:
    """The seed is one of few frames and small ones."""
    plan = TrainingPlan(seed=1624, steps=1000, looks=12, tokens=1, rate=4e-3, warmup=5)
    task = mini_task(tokenizer, plan)
    history = train(task, tmp_path, processes=0, until=22, report_every=2).history
    looks, films = [r["loss"] for r in history[:6]], [r["loss"] for r in history[6:]]
    assert [set(losses) for losses in looks] == [{"shape", "color", "centre"}] * 6
    assert naming_loss(looks[-1]) < 0.95 * naming_loss(looks[0])
    assert looks[-1]["color"] < 0.9 * looks[0]["color"]
    assert films[-1]["answer"] < 0.5 * films[0]["answer"]
    assert films[-1]["motion"] < 0.8 * films[0]["motion"]


def learned(**answers: list[bool]) -> Learned:
    """One step with questions of these kinds, answered right or not."""
    kinds = [kind for kind, right in answers.items() for _ in right]
    right = [each for all_of in answers.values() for each in all_of]
    losses = {"answer": float(len(right)), "shape": 0.5}
    return Learned(losses=losses, kinds=kinds, right=right)


def test_a_report_is_the_mean_of_its_steps() -> None:
    window = Window(tuple(KINDS))
    window.add(learned(when=[True], color=[True, False]))
    window.add(learned(color=[True]))
    assert window.report(7) == {
        "step": 7,
        "loss": {"answer": 2.0, "shape": 0.5},
        "accuracy": {"color": 0.6667, "when": 1.0},
        "overall": 0.75,
    }
    assert list(window.report(7)["accuracy"]) == ["color", "when"], "in the order of the kinds"


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run(loss: float) -> None:
    step = replace(learned(color=[True]), losses={"answer": 1.0, "shape": loss})
    with pytest.raises(TrainingError, match="loss of step 8 is not a number; start again"):
        refuse_nan(step, 7)


def test_the_final_report_says_what_made_the_weights(tmp_path: Path) -> None:
    trained = replace(go(tmp_path, until=1), seconds=5400.0)
    document = training_report(PLAN, trained, command="evs train mini --seed 54 --steps 1000")
    assert document["trained_by"] == "evs train mini --seed 54 --steps 1000"
    assert document["plan"] == PLAN.values()
    assert (document["steps"], document["hours"]) == (1, 1.5)
    assert document["history"] == trained.history
    (machine,) = document["machines"]
    assert machine["processor"]
    assert machine["device"] == "cpu"
    assert machine["threads"] == torch.get_num_threads()
    assert machine["torch"] == document["finished_with"]["versions"]["torch"] == torch.__version__
