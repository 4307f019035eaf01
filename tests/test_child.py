from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import spawn
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import pytest

from evscli.child import Child, end_with_parent, how_it_ended, start_server, without_main
from tests.evs import wait_until
from tests.store.processes import finish, start


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

print("the script runs", flush=True)
start_server(["calendar"])
print(Child(print).end(grace=None))
print("its name is", __name__, "still", __import__("__main__").__dict__ is globals())
"""


@pytest.mark.parametrize("way", ["file", "module", "standard input", "-c"])
def test_a_script_without_a_guard_runs_once(way: str, tmp_path: Path) -> None:
    (tmp_path / "start.py").write_text(SCRIPT)
    words = {"file": ["start.py"], "module": ["-m", "start"], "-c": ["-c", SCRIPT]}.get(way, ["-"])
    done = subprocess.run(
        [sys.executable, *words],
        input=SCRIPT if way == "standard input" else "",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-2:]) == (
        "the script runs",
        ["0", "its name is __main__ still True"],
    ), done
    assert (done.stdout.count("the script runs"), done.stderr) == (1, "")


def test_only_children_of_evs_go_without_the_main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/script.py", raising=False)
    described = spawn.get_preparation_data
    with ThreadPoolExecutor(1) as another, without_main():
        assert "init_main_from_path" not in described("of evs")
        theirs = another.submit(described, "of another thread").result()
        assert theirs["init_main_from_path"] == "/script.py"
    assert described("of the script")["init_main_from_path"] == "/script.py"


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


def look_at_imports() -> None:
    """All of `tests.preload` was done, which the fork server would not say otherwise."""
    assert gc.get_freeze_count() > 0
    assert {"evscli.video", "pydantic"} <= {*sys.modules}


def test_the_fork_server_has_imported_all() -> None:
    finish(start(look_at_imports))


SPAWNED = """
import multiprocessing, os, time
from evscli.child import end_with_parent

def child():
    end_with_parent()
    print(os.getpid(), flush=True)
    time.sleep(200)

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    process.join()
"""


def test_a_spawned_process_ends_with_its_parent(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SPAWNED)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    """Whether there is a process that has not ended, waited for or not."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_a_spawned_process_whose_parent_is_gone_already_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []
    gone = SimpleNamespace(pid=os.getppid() + 1)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: gone)
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr("evscli.child.die_with_parent", lambda: None)
    end_with_parent()
    assert ended == [1]
