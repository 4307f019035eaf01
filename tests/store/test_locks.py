from __future__ import annotations

import json
import os
import re
import socket
import time
from pathlib import Path

import pytest

from evscli.errors import StoreBusyError
from evscli.store.locks import writer_lock
from tests.store.processes import start


def hold(folder: Path) -> None:
    with writer_lock(folder, 0):
        (folder / "held").touch()
        time.sleep(60)


def wait_for(path: Path) -> None:
    for _ in range(6000):
        if path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} did not appear")


def test_a_live_holder_is_named_and_a_killed_one_taken_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="evscli.store.locks")
    holder = start(hold, tmp_path)
    wait_for(tmp_path / "held")
    name = re.escape(
        f"{tmp_path} is being written by process {holder.pid} on {socket.gethostname()}"
    )
    with pytest.raises(StoreBusyError, match=name) as caught, writer_lock(tmp_path, 0):
        pass
    assert "\n" not in str(caught.value)
    holder.kill()
    holder.join()
    assert (tmp_path / "writer-0.lock").exists()
    with writer_lock(tmp_path, 0):
        assert json.loads((tmp_path / "writer-0.lock").read_text())["pid"] == os.getpid()
    assert caplog.messages == [
        f"took over {tmp_path}/writer-0.lock, which process {holder.pid} on {socket.gethostname()} "
        "left"
    ]
    assert not (tmp_path / "writer-0.lock").exists()


def test_the_same_process_cannot_hold_a_lock_twice(tmp_path: Path) -> None:
    with (
        writer_lock(tmp_path, 0),
        pytest.raises(StoreBusyError, match=str(os.getpid())),
        writer_lock(tmp_path, 0),
    ):
        pass
    with writer_lock(tmp_path, 0):
        pass


def test_writers_of_other_numbers_do_not_wait(tmp_path: Path) -> None:
    with writer_lock(tmp_path, 0), writer_lock(tmp_path, 1):
        assert (tmp_path / "writer-1.lock").exists()


def test_a_lock_is_let_go_on_an_exception(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), writer_lock(tmp_path, 0):
        raise KeyboardInterrupt
    with writer_lock(tmp_path, 0):
        pass


def test_a_file_that_lost_its_name_before_it_was_locked_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "writer-0.lock"
    real_open, opened = os.open, []

    def open_then_lose_the_name(*arguments: object, **options: object) -> int:
        handle = real_open(*arguments, **options)  # type: ignore[arg-type]
        opened.append(handle)
        if len(opened) == 1:
            path.unlink()
        return handle

    monkeypatch.setattr(os, "open", open_then_lose_the_name)
    with writer_lock(tmp_path, 0):
        monkeypatch.undo()
        assert len(opened) == 2
        with pytest.raises(StoreBusyError), writer_lock(tmp_path, 0):
            pass


def test_an_unreadable_holder_is_still_a_holder(tmp_path: Path) -> None:
    with writer_lock(tmp_path, 0):
        (tmp_path / "writer-0.lock").write_text("")
        with pytest.raises(StoreBusyError, match="another process"), writer_lock(tmp_path, 0):
            pass
