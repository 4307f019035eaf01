"""Ctrl-C reaches the command wherever Python is at that moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evscli.child import RELEASE
from evscli.cli import LIMITS
from tests.cli.in_process import run_here

SCRIPT = """
import os, signal, time
from evscli.cli.interrupts import catch_interrupts

class Freed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)

signal.signal(signal.SIGINT, signal.default_int_handler)  # where it is ignored, it stays so
seen = catch_interrupts()
try:
    Freed()
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", len(seen))
"""


def test_an_interrupt_while_an_object_is_freed_is_not_lost(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted 1\n", "")


PRUNE = ("prune", "--method", "vcast", "--budget", "0.3", "-o", "store")

HELD = """
import os, signal
from evscli.cli.interrupts import catch_interrupts, held_back

signal.signal(signal.SIGINT, signal.default_int_handler)
catch_interrupts()
try:
    with held_back():
        os.kill(os.getpid(), signal.SIGINT)
        print("imported")
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_of_an_import_waits_for_its_end() -> None:
    command = [sys.executable, "-c", HELD]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (0, "imported\ninterrupted\n", "")


LATE = """
import atexit, os, signal
from evscli import cli

def late(arguments, **_):
    atexit.register(lambda: os.kill(os.getpid(), signal.{name}))
    return cli.say_interrupted(arguments)

cli.run = late
cli.main(["prune"])
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_that_comes_late_does_not_change_the_exit_code(name: str) -> None:
    command = [sys.executable, "-c", LATE.format(name=name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    said = "interrupted: everything finished is kept; run it again to go on\n"
    assert (done.returncode, done.stderr) == (130, said)


@pytest.mark.parametrize("seconds", [0.5, pytest.param(1.5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_to_the_whole_group_during_the_start_give_one_line(
    tmp_path: Path, clip: Path, number: signal.Signals, seconds: float
) -> None:
    """As Ctrl-C on a terminal does, they reach the process that decoders are forks of too."""
    script = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "os.execv(sys.executable, [sys.executable, '-m', 'evscli', *sys.argv[1:]])"
    )
    command = [sys.executable, "-c", script, *PRUNE, clip]
    with (tmp_path / "err").open("w+") as err:
        group = subprocess.Popen(command, cwd=tmp_path, stderr=err, start_new_session=True)
        time.sleep(seconds)
        os.killpg(group.pid, number)
        assert group.wait(timeout=50) == 130
        err.seek(0)
        lines = [line for line in err if not line.startswith("note: ")]
    assert lines == ["interrupted: everything finished is kept; run it again to go on\n"]


def test_what_holds_ctrl_c_back_is_released() -> None:
    script = (
        "import os, signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}); "
        "os.kill(os.getpid(), signal.SIGINT); "
        f"import {RELEASE}; print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), "
        "signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    before = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = [sys.executable, "-c", before + script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert (done.stdout, done.stderr) == ("set() True\n", "")


@pytest.mark.parametrize(
    "refusal", [RuntimeError("can't start new thread"), BlockingIOError(11, "unavailable")]
)
def test_a_machine_that_refuses_threads_or_processes_is_named(
    tmp_path: Path, refusal: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise refusal

    monkeypatch.setattr("evscli.corpus.decoding.children.warm_up", refuse)
    (tmp_path / "clip.mp4").touch()
    done = run_here("prune", "clip.mp4", "--method", "vcast", "-o", "store", cwd=tmp_path)
    assert (done.code, done.error) == (1, f"error: {LIMITS}")
