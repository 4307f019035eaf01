"""However a corpus is named and wherever it lies, it gives the same tensors under the same ids."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import torch
from moto.server import ThreadedMotoServer

from evscli.store import Store, open_store
from tests.cli.in_process import run_here
from tests.corpus.inputs.tar_files import write_tar
from tests.evs import run_evs
from tests.faults import install
from tests.videos import truncate, write_video

PRUNE = ("--method", "vcast", "--budget", "0.3", "-o", "store")
KEYS = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "eu"}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "videos"
    (folder / "day").mkdir(parents=True)
    write_video(folder / "a.mp4", frames=24, seed=1)
    write_video(folder / "day" / "b.mkv", frames=30, seed=2)
    return folder


@pytest.fixture(scope="module")
def expected(videos: Path) -> Store:
    assert run_here("prune", videos, *PRUNE, cwd=videos.parent).code == 0
    return open_store(videos.parent / "store")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def bucket(videos: Path, endpoint: str) -> str:
    """The videos in a bucket, and a tar of them."""
    keys = {"aws_access_key_id": "me", "aws_secret_access_key": "secret"}
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="corpus")
    for path in videos.rglob("*.m*"):
        client.upload_file(str(path), "corpus", f"videos/{path.relative_to(videos).as_posix()}")
    tar = write_tar(videos.parent / "remote.tar", members(videos))
    client.upload_file(str(tar), "corpus", "tars/clips.tar")
    client.close()
    return "s3://corpus"


def members(videos: Path) -> dict[str, bytes]:
    paths = sorted(path for path in videos.rglob("*") if path.is_file())
    return {path.relative_to(videos).as_posix(): path.read_bytes() for path in paths}


def assert_same(store: Store, expected: Store) -> None:
    assert list(store) == list(expected)
    for video in store:
        one, other = store[video], expected[video]
        assert one.info.source == other.info.source
        for name, tensor in one.tensors().items():
            assert torch.equal(tensor, other.tensors()[name])


@pytest.mark.slow
def test_a_tar(videos: Path, expected: Store, tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "clips.tar", members(videos))
    result = run_here("prune", tar, *PRUNE, cwd=tmp_path)
    assert result.code == 0, result
    assert_same(open_store(tmp_path / "store"), expected)
    assert "2 already done" in run_here("prune", tar, *PRUNE, "--check-sources", cwd=tmp_path).out


@pytest.mark.slow
@pytest.mark.parametrize("given", ["videos/", "tars/clips.tar"])
def test_a_bucket(bucket: str, endpoint: str, expected: Store, tmp_path: Path, given: str) -> None:
    env = {**KEYS, "AWS_ENDPOINT_URL": endpoint}
    result = run_evs("prune", f"{bucket}/{given}", *PRUNE, cwd=tmp_path, env=env)
    assert result.code == 0, result
    assert_same(open_store(tmp_path / "store"), expected)


@pytest.mark.slow
def test_copies_are_removed_whatever_becomes_of_the_decoder(
    videos: Path, expected: Store, tmp_path: Path
) -> None:
    crashing = {"segfault.mp4": (videos / "a.mp4").read_bytes()}
    tar = write_tar(tmp_path / "clips.tar", {**members(videos), **crashing})
    copies = tmp_path / "copies"
    copies.mkdir()
    env = {"TMPDIR": str(copies)}
    result = run_evs("prune", tar, *PRUNE, cwd=tmp_path, env=env, before=install)
    assert result.code == 3, result
    assert "clips.tar/segfault.mp4: its decoder crashed" in result.error
    assert [*copies.iterdir()] == []
    assert_same(open_store(tmp_path / "store"), expected)


def test_a_damaged_member_is_named_as_the_tar_holds_it(videos: Path, tmp_path: Path) -> None:
    cut = truncate(Path(shutil.copy(videos / "a.mp4", tmp_path / "cut.mp4")))
    tar = write_tar(tmp_path / "clips.tar", {"in/cut.mp4": cut.read_bytes()})
    result = run_here("prune", tar, *PRUNE, cwd=tmp_path)
    assert result.code == 1
    assert f"error: {tar}/in/cut.mp4 is an MP4 or MOV file without a usable index" in result.error


@pytest.mark.slow
def test_rows_of_a_list_name_parts_of_videos(videos: Path, tmp_path: Path) -> None:
    path = str(videos / "a.mp4")
    rows = [
        {"path": path, "start": 0.2, "end": 0.5},
        {"path": path, "start": 0.25, "id": "tail"},
        {"path": path, "start": 70},
        {"path": path},
    ]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = run_here("prune", "list.jsonl", *PRUNE, cwd=tmp_path)
    assert result.code == 3, result
    store = open_store(tmp_path / "store")
    assert list(store) == ["a", "a@0.2-0.5", "tail"]
    assert store.failures["a@70-"].stage == "plan"
    assert "shows no frame from 70 s on" in result.error
    for name, start, end in (("a@0.2-0.5", 0.2, 0.5), ("tail", 0.25, None)):
        record = store[name]
        part = record.info.part
        assert part is not None
        assert (part.start, part.end) == (start, end)
        assert (record.frame_times >= start).all()
        assert (record.frame_times < (end or 99)).all()
    again = run_here("prune", "list.jsonl", *PRUNE, cwd=tmp_path)
    assert "3 already done" in again.out
    rows[1]["start"] = 0.2500001
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    moved = run_here("prune", "list.jsonl", *PRUNE, cwd=tmp_path)
    assert moved.code == 1
    assert (
        "was pruned from 0.25 s to its end under the id 'tail', and now 0.2500001 s" in moved.error
    )
