from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from evscli.corpus.inputs import LeftOut, attempts, fetch, find_videos, remote
from evscli.corpus.inputs.fetch import local_file
from evscli.errors import UsageError, VideoError
from tests.corpus.inputs.tar_files import write_tar

pytestmark = pytest.mark.usefixtures("bucket")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    S3FileSystem.clear_instance_cache()  # they know this server's address
    server.stop()


@pytest.fixture(scope="module")
def bucket(server: str) -> Iterator[Any]:
    """A bucket with three videos below clips/, and what is none."""
    keys = {"aws_access_key_id": "me", "aws_secret_access_key": "secret"}
    client = boto3.client("s3", endpoint_url=server, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="bucket")

    def put(key: str, content: bytes) -> None:
        client.put_object(Bucket="bucket", Key=key, Body=content)

    for key in ("clips/z.mp4", "clips/day 1/é #1.MKV", "clips/day 1/a+b?.mp4", "other/x.mp4"):
        put(key, key.encode() * 1000)
    for key in ("clips/", "clips/notes.txt", "clips/.hidden/x.mp4", "clips/.x.mp4"):
        put(key, b"")
    yield put
    client.close()


@pytest.fixture(autouse=True)
def _environment(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(attempts, "RETRY_WAITS", (0.0, 0.0))


def ids(given: str) -> list[str]:
    return [video.id for video in find_videos([given])]


def test_a_folder_is_found_by_listing_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "werkzeug")
    videos = find_videos(["s3://bucket/clips/"])
    assert [video.id for video in videos] == ["day 1/a+b?", "day 1/é #1", "z"]
    paths = ["day 1/a+b?.mp4", "day 1/é #1.MKV", "z.mp4"]
    assert [video.relative for video in videos] == paths
    requests = re.findall(r"(?:GET|HEAD) \S+", caplog.text)
    assert len(requests) == 1
    assert "list-type=2" in requests[0]


def test_every_object_is_copied_byte_for_byte(tmp_path: Path) -> None:
    videos = find_videos(["s3://bucket/clips"])
    for video in videos:
        with local_file(video, folder=tmp_path) as path:
            assert path.read_bytes() == f"clips/{video.relative}".encode() * 1000
            assert path.suffix == Path(video.relative).suffix
    assert list(tmp_path.iterdir()) == []
    assert len(videos) == 3


def test_an_object_a_glob_and_a_bucket_are_named_like_local_ones() -> None:
    assert ids("s3://bucket/clips/z.mp4") == ["z"]
    assert ids("s3://bucket/clips/day 1/a+b?.mp4") == ["a+b?"]
    assert ids("s3://bucket/*/*.mp4") == ["clips/z", "other/x"]
    assert ids("s3://bucket/clips/**/*.mp4") == ["day 1/a+b?", "z"]
    assert ids("s3://bucket") == ["clips/day 1/a+b?", "clips/day 1/é #1", "clips/z", "other/x"]


def test_objects_are_sorted_by_the_parts_of_their_keys(bucket: Any) -> None:
    for key in ("order/a/z.mp4", "order/a-1/b.mp4", "order/odd.mp4/notes.txt"):
        bucket(key, b"x")
    assert ids("s3://bucket/order/") == ["a/z", "a-1/b"]
    assert ids("s3://bucket/order/*/*.mp4") == ["a/z", "a-1/b"]
    with pytest.raises(UsageError, match="no videos match"):
        find_videos(["s3://bucket/order/*.mp4"])


def test_what_is_added_later_is_found_later(bucket: Any) -> None:
    bucket("later/a.mp4", b"a")
    assert ids("s3://bucket/later/") == ["a"]
    bucket("later/b.mp4", b"b")
    assert ids("s3://bucket/later/") == ["a", "b"]
    bucket("later/a.mp4", b"longer")
    first, _ = find_videos(["s3://bucket/later/"])
    assert first.held is not None
    assert first.held.size == 6


def test_a_list_names_objects_beside_it_and_elsewhere(bucket: Any, tmp_path: Path) -> None:
    lines = '{"path": "z.mp4", "start": 1}\n{"path": "s3://bucket/other/x.mp4", "id": "far"}\n'
    bucket("clips/list.jsonl", lines.encode())
    part, far = find_videos(["s3://bucket/clips/list.jsonl"])
    assert (part.id, part.relative, part.start) == ("z@1-", "z.mp4", 1)
    assert (far.id, far.relative) == ("far", "x.mp4")
    local = tmp_path / "list.txt"
    local.write_text("s3://bucket/clips/z.mp4\ns3://bucket/clips/gone.mp4\n")
    there, gone = find_videos([str(local)])
    assert (there.fault, gone.id) == (None, "gone")
    assert re.search(r"list\.txt line 2: no such .*: s3://bucket/clips/gone\.mp4", str(gone.fault))
    local.write_text("s3://bucket/clips\ns3://bucket/gone/0.tar\n")
    folder, tar = find_videos([str(local)])
    assert "line 1: s3://bucket/clips is a folder; name the files" in str(folder.fault)
    assert "line 2: no such file or folder: s3://bucket/gone/0.tar" in str(tar.fault)
    with pytest.raises(VideoError, match=r"no such file or folder: s3://bucket/gone/0\.tar"):
        find_videos(["s3://bucket/gone/0.tar"])


def test_objects_that_are_no_videos_are_counted(bucket: Any) -> None:
    for key in ("mixed/", "mixed/a.mp4", "mixed/1.txt", "mixed/day/2.json", "mixed/.x.txt"):
        bucket(key, b"")
    told: list[LeftOut] = []
    for given in ("s3://bucket/mixed/", "s3://bucket/mixed/*", "s3://bucket/mixed/*.mp4"):
        find_videos([given], left_out=told.append)
    assert [str(left_out) for left_out in told] == ["1 .json, 1 .txt", "1 .txt"]


def test_members_of_tars_are_copied_by_their_bytes_alone(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TRANSFER_BYTES", 2000)
    monkeypatch.setattr(remote, "TAR_BLOCK_BYTES", 2000)
    for number in range(2):
        members = {f"{number}-{name}.mp4": name.encode() * 3333 for name in "ab"}
        tar = write_tar(tmp_path / "made.tar", {"x.json": b"{}", **members})
        bucket(f"shards/{number}.tar", tar.read_bytes())
        tar.unlink()
    videos = find_videos(["s3://bucket/shards/*.tar"])
    assert [video.id for video in videos] == ["0-a", "0-b", "1-a", "1-b"]
    by_tar = find_videos(["s3://bucket/*/*.tar"], ids="tar")
    assert [video.id for video in by_tar[:3]] == ["shards/0/0-a", "shards/0/0-b", "shards/1/1-a"]
    for video in videos:
        with local_file(video, folder=tmp_path) as path:
            assert path.read_bytes() == video.id[-1].encode() * 3333
    assert videos[-1].name == "s3://bucket/shards/1.tar/1-b.mp4"


def test_an_object_that_is_gone_or_changed_fails_its_video(bucket: Any, tmp_path: Path) -> None:
    bucket("gone/a.mp4", b"abc")
    (video,) = find_videos(["s3://bucket/gone/a.mp4"])
    for now in (b"ab", b"abcd"):
        bucket("gone/a.mp4", now)
        changed = pytest.raises(VideoError, match=r"a\.mp4 gave .* of 3 bytes; it has changed")
        with changed, local_file(video, folder=tmp_path):
            pass
    S3FileSystem().rm("bucket/gone/a.mp4")
    gone = pytest.raises(VideoError, match=r"no such file or folder: s3://bucket/gone/a\.mp4")
    with gone, local_file(video, folder=tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("s3://bucket/none/", "no videos in folder s3://bucket/none/; files with other endings"),
        ("s3://bucket/none", "no such file or folder: s3://bucket/none; check"),
        ("s3://none/a.mp4", "no such file or folder: s3://none/a.mp4; check"),
        ("s3://bucket/clips/*.mov", r"no videos match s3://bucket/clips/\*.mov; files"),
        ("s3://bucket/clips/*.tar", r"no videos match s3://bucket/clips/\*.tar; check"),
        ("s4://bucket/a.mp4", r"s4://bucket/a.mp4: no such kind of address .*; give s3://"),
    ],
)
def test_what_is_not_there_is_one_line(given: str, words: str) -> None:
    with pytest.raises((UsageError, VideoError), match=words):
        find_videos([given])


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(VideoError, match=r"gs://b/a\.mp4 needs a package .*'evscli\[remote\]'"):
        find_videos(["gs://b/a.mp4"])
