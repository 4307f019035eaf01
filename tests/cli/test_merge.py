from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from evscli.cli import run
from evscli.store import StoreWriter, open_store
from evscli.texts import size_text
from tests.evs import Running, run_evs, wait_until
from tests.store.processes import start
from tests.store.samples import CONFIG, record
from tests.store.test_merge import IDS, hold, scatter, snapshot, write_and_die


def shard_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("shard-*"))


def test_one_line_says_shards_and_bytes_before_and_after(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scatter(tmp_path)
    before = shard_bytes(tmp_path)
    assert run(["merge", str(tmp_path)], debug=False) == 0
    after = shard_bytes(tmp_path)
    sizes = f"{size_text(before)} -> 1 shard of {size_text(after)}"
    assert capsys.readouterr() == (f"{tmp_path}: 5 shards of {sizes}\n", "")
    assert set(hold(tmp_path, IDS).values()) == {1}
    left = snapshot(tmp_path)
    assert run(["merge", str(tmp_path)], debug=False) == 0
    said = f"{tmp_path}: nothing to merge, 1 shard of {size_text(after)}\n"
    assert capsys.readouterr().out == said
    assert snapshot(tmp_path) == left


def test_json_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scatter(tmp_path, IDS[:6])
    start(write_and_die, tmp_path, 1, IDS[6:]).join()
    before = shard_bytes(tmp_path)
    assert run(["merge", str(tmp_path), "--json"], debug=False) == 0
    assert json.loads(capsys.readouterr().out) == {
        "store": str(tmp_path),
        "before": {"shards": 3, "bytes": before},
        "after": {"shards": 1, "bytes": shard_bytes(tmp_path)},
        "waiting": 2,
    }


def test_videos_that_waited_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scatter(tmp_path, IDS[:6])
    start(write_and_die, tmp_path, 1, IDS[6:]).join()
    assert run(["merge", str(tmp_path)], debug=False) == 0
    assert capsys.readouterr().out.endswith(", 2 waiting videos taken up\n")


def test_a_store_at_work_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scatter(tmp_path)
    with StoreWriter(tmp_path, CONFIG, writer=2):
        assert run(["merge", str(tmp_path)], debug=False) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path} is being written by process {os.getpid()} on ")
    assert error.count("\n") == 1
    assert len(list(tmp_path.glob("shard-*"))) == 5


def test_a_folder_of_stores_names_them(tmp_path: Path) -> None:
    scatter(tmp_path / "one")
    result = run_evs("merge", tmp_path, cwd=tmp_path)
    assert result.code == 1
    assert result.error == f"error: {tmp_path} holds 1 stores, name one of them: one"


@pytest.mark.slow
def test_an_interrupt_keeps_every_video_and_says_so(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", CONFIG, shard_videos=1) as writer:
        for number in range(300):
            writer.add(record(f"v{number:03d}"))
    merging = Running("merge", "store", cwd=tmp_path)
    wait_until((tmp_path / "store" / "writer-0.lock").exists)
    merging.send(signal.SIGINT)
    result = merging.wait()
    if result.code:  # it may have been faster
        assert result.code == 130
        assert result.err == "interrupted: everything finished is kept; run it again to go on\n"
    assert len(open_store(tmp_path / "store")) == 300
    assert not list((tmp_path / "store").glob("*.lock"))
