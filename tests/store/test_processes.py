from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from evscli.store import processes as processes_module
from evscli.store.processes import Died, in_processes, usable_cores


def double(number: int) -> int:
    return 2 * number


def double_or_die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGBUS)
    if number == 5:
        os._exit(9)
    return 2 * number


def refuse_two(number: int) -> int:
    if number == 2:
        raise ValueError("two")
    return number


def length(text: str) -> int:
    return len(text)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


@pytest.mark.parametrize(
    ("share", "cores"), [("max 100000", 8), ("250000 100000", 3), ("5000 100000", 1), (None, 8)]
)
def test_a_container_grants_fewer_cores_than_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: str | None, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(processes_module, "CPU_SHARE", tmp_path / "cpu.max")
    if share:
        (tmp_path / "cpu.max").write_text(f"{share}\n")
    assert usable_cores() == cores


@pytest.mark.parametrize(
    ("processes", "items"), [(1, 7), (2, 7), pytest.param(3, 2, marks=pytest.mark.slow)]
)
def test_every_item_is_worked_on_once(processes: int, items: int) -> None:
    found = list(in_processes(double, range(items), processes=processes))
    assert sorted(found) == [(number, 2 * number) for number in range(items)]
    assert multiprocessing.active_children() == []


def test_nothing_to_do_starts_nothing() -> None:
    assert list(in_processes(double, [], processes=4)) == []


@pytest.mark.slow
def test_a_process_that_dies_takes_one_item_and_says_how() -> None:
    found = dict(in_processes(double_or_die, range(8), processes=2))
    expected: dict[int, int | Died] = {number: 2 * number for number in range(8)}
    assert found == expected | {3: Died("SIGBUS"), 5: Died("exit code 9")}
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_what_the_work_raises_is_raised_here() -> None:
    with pytest.raises(ValueError, match="two"):
        list(in_processes(refuse_two, range(5), processes=2))
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_items_larger_than_a_pipe_are_taken() -> None:
    texts = ["x" * size for size in (10**6, 3, 2 * 10**6)]
    assert dict(in_processes(length, texts, processes=2)) == {0: 10**6, 1: 3, 2: 2 * 10**6}


def test_leaving_early_ends_every_process() -> None:
    answers = in_processes(sleep, [0, 60, 60], processes=2)
    assert next(answers) == (0, None)
    answers.close()
    assert multiprocessing.active_children() == []
