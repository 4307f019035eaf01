from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from evscli.child import Child, how_it_ended, start_server


def do(pipe: Connection) -> None:
    """What the pipe says."""
    {"interrupt": lambda: os.kill(os.getpid(), signal.SIGINT), "leave": lambda: os._exit(3)}[
        pipe.recv()
    ]()
    pipe.send("still here")
    pipe.recv()


@pytest.fixture
def child() -> Child:
    return Child(do)


def test_ctrl_c_ends_no_child(child: Child) -> None:
    child.send("interrupt")
    assert child.pipe.recv() == "still here"
    assert how_it_ended(child.end()) == "SIGKILL"


def test_a_dead_child_still_takes_messages_and_says_how_it_ended(child: Child) -> None:
    child.send("leave")
    with pytest.raises(EOFError):
        child.pipe.recv()
    child.send("anything")
    child.kill()
    child.terminate()
    assert how_it_ended(child.end(grace=None)) == how_it_ended(child.end()) == "exit code 3"


SCRIPT = """
from evscli.child import Child, start_server

if __name__ == "__main__":
    start_server(["calendar"])
    print(Child(print).end(grace=None))
"""


def test_no_file_of_the_current_folder_is_taken_for_a_module(tmp_path: Path) -> None:
    script = tmp_path / "scripts/start.py"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    here = tmp_path / "here"
    here.mkdir()
    (here / "calendar.py").write_text("print('this is not for evs')")
    done = subprocess.run([sys.executable, script], cwd=here, capture_output=True, check=True)
    assert b"not for evs" not in done.stdout + done.stderr


def test_threads_that_start_children_leave_the_environment_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path, Path(__file__).parent])  # as in a notebook
    before = dict(os.environ)
    for _ in range(20):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(start_server, [["tests.preload"]] * 64))
        assert dict(os.environ) == before
