"""The folder of a run: one run at a time, and nothing else than a run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from evscli.errors import StoreBusyError, UsageError
from evscli.train.folder import check_folder, run_folder
from tests.cli.in_process import run_here
from tests.store.processes import start
from tests.store.test_locks import wait_for


def hold(folder: Path) -> None:
    with run_folder(folder):
        (folder / ".report.json.12").touch()
        (folder / "held").touch()
        time.sleep(60)


def test_a_second_run_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    holder = start(hold, tmp_path)
    wait_for(tmp_path / "held")
    busy = rf"is being written by process {holder.pid} on .* or name another folder with -o"
    with pytest.raises(StoreBusyError, match=busy), run_folder(tmp_path):
        pass
    with run_folder(tmp_path, leads=False):  # one of its own processes, which does not write
        assert (tmp_path / ".report.json.12").exists()
    holder.kill()
    holder.join()
    with run_folder(tmp_path):
        assert not (tmp_path / ".report.json.12").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["held"]


def test_a_new_folder_goes_where_nothing_came_into_it(tmp_path: Path) -> None:
    with run_folder(tmp_path / "run"):
        assert (tmp_path / "run").exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "what"), [("run.json", "is a store"), ("config.json", "is a checkpoint")]
)
def test_the_folder_of_something_else_is_refused(tmp_path: Path, name: str, what: str) -> None:
    check_folder(tmp_path)
    (tmp_path / name).touch()
    with pytest.raises(UsageError, match=f"{what}, whose files .* name another folder with -o"):
        check_folder(tmp_path)


@pytest.mark.parametrize("model", ["run/model", "run/model/part", "linked"])
def test_the_checkpoint_to_begin_with_is_not_where_the_result_goes(
    tmp_path: Path, model: str
) -> None:
    (tmp_path / "run" / "model" / "part").mkdir(parents=True)
    (tmp_path / "linked").symlink_to(tmp_path / "run" / "model")
    check_folder(tmp_path / "run", model=tmp_path / "other" / "model")
    with pytest.raises(UsageError, match="in place of the checkpoint"):
        check_folder(tmp_path / "run", model=tmp_path / model)


@pytest.mark.parametrize("command", ["mini", "uptrain", "scorer"])
def test_every_training_refuses_the_folder_of_a_run_at_work(tmp_path: Path, command: str) -> None:
    with run_folder(tmp_path / "run"):
        second = run_here("train", command, "-o", "run", "--device", "cpu", cwd=tmp_path)
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["training.lock"]
    assert second.code == 1
    assert "run is being written by process" in second.error
