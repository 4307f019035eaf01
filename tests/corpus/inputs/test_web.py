from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from evscli.corpus.inputs import attempts, find_videos
from evscli.corpus.inputs.fetch import local_file, source_size
from evscli.errors import UsageError, VideoError
from evscli.records import VideoInput
from tests.corpus.inputs.tar_files import write_tar
from tests.corpus.inputs.web import Site, serving

CLIP = bytes(range(256)) * 5_000


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(attempts, "RETRY_WAITS", (0.0, 0.0))
    with serving() as site:
        site.files["/day 1/clip.mp4"] = CLIP
        yield site


def fetch(video: VideoInput, folder: Path) -> bytes:
    with local_file(video, folder=folder) as path:
        content = path.read_bytes()
        assert path.suffix == video.path.suffix
    assert list(folder.iterdir()) == []
    return content


@pytest.fixture
def clip(site: Site) -> VideoInput:
    (video,) = find_videos([f"{site.url}/day%201/clip.mp4?signature=secret"])
    return video


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_is_copied_whole_in_one_request(
    site: Site, clip: VideoInput, tmp_path: Path, ranges: bool
) -> None:
    site.ranges = ranges
    assert (clip.id, clip.relative, source_size(clip)) == ("clip", "clip.mp4", len(CLIP))
    site.requests.clear()
    assert fetch(clip, tmp_path) == CLIP
    assert [request.split()[0] for request in site.requests] == ["GET"]


def test_a_signature_is_sent_and_never_shown(site: Site, clip: VideoInput, tmp_path: Path) -> None:
    assert clip.name == f"{site.url}/day%201/clip.mp4"
    site.failures = [403]
    with pytest.raises(VideoError) as caught:
        fetch(clip, tmp_path)
    assert str(caught.value) == (
        f"{clip.name} may not be read; check its permissions and your credentials"
    )
    assert all(request.endswith("?signature=secret") for request in site.requests)


def test_what_passes_is_asked_again(site: Site, clip: VideoInput, tmp_path: Path) -> None:
    site.failures = [503, 429]
    assert fetch(clip, tmp_path) == CLIP


@pytest.mark.parametrize(
    ("failures", "asked", "words"),
    [
        ([503] * 5, 3, "cannot be reached (ClientResponseError: 503"),
        ([404], 1, "no such file or folder: "),
        ([400], 1, "cannot read "),
    ],
)
def test_what_does_not_pass_is_one_line(
    site: Site, clip: VideoInput, tmp_path: Path, failures: list[int], asked: int, words: str
) -> None:
    site.requests.clear()
    site.failures = failures
    with pytest.raises(VideoError) as caught:
        fetch(clip, tmp_path)
    assert words in str(caught.value)
    assert clip.name in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.stage == "open"
    assert len(site.requests) == asked
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_breaks_off_is_never_taken_for_the_video(
    site: Site, clip: VideoInput, tmp_path: Path
) -> None:
    site.cuts = [1000] * 3
    with pytest.raises(VideoError, match=r"clip\.mp4 cannot be reached"):
        fetch(clip, tmp_path)
    site.cuts = [1_000_000, 1000]
    assert fetch(clip, tmp_path) == CLIP


@pytest.mark.parametrize(
    ("now", "words"), [(CLIP[:-1], "gave 1,279,999 of 1,280,000"), (CLIP + b"x", "gave more of")]
)
def test_a_file_that_has_changed_since_is_refused(
    site: Site, clip: VideoInput, tmp_path: Path, now: bytes, words: str
) -> None:
    site.files["/day 1/clip.mp4"] = now
    with pytest.raises(VideoError, match=words):
        fetch(clip, tmp_path)


def test_an_address_that_is_no_single_file_is_refused(site: Site) -> None:
    with pytest.raises(UsageError, match="a web server lists no folders; name each file"):
        find_videos([f"{site.url}/day%201/"])
    with pytest.raises(VideoError, match=r"no such file or folder: .*gone\.mp4; check"):
        find_videos([f"{site.url}/gone.mp4?x=1"])
    site.says_length = False
    with pytest.raises(VideoError, match=r"does not say how long .*clip\.mp4 is; download it"):
        find_videos([f"{site.url}/day%201/clip.mp4"])


def test_a_server_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "RETRY_WAITS", ())
    with serving() as site:
        pass
    with pytest.raises(VideoError, match=r"cannot be reached \(.*\); check the network"):
        find_videos([f"{site.url}/clip.mp4"])


def test_a_list_there_names_what_lies_beside_it(site: Site, tmp_path: Path) -> None:
    site.files["/lists/b.mp4"] = b"b"
    site.files["/lists/é #1/c.mp4"] = b"c"
    rows = ["b.mp4", "é #1/c.mp4", "../day 1/clip.mp4", f"{site.url}/day%201/clip.mp4?x=1"]
    site.files["/lists/list.txt"] = "\n".join(rows).encode()
    with pytest.raises(UsageError, match=r"1 id names several videos: 'clip' \("):
        find_videos([f"{site.url}/lists/list.txt"])
    site.files["/lists/list.txt"] = "\n".join(rows[:3]).encode()
    videos = find_videos([f"{site.url}/lists/list.txt?token=a/b"])
    assert [video.id for video in videos] == ["b", "é #1/c", "clip"]
    assert [video.relative for video in videos] == ["b.mp4", "é #1/c.mp4", "clip.mp4"]
    assert fetch(videos[1], tmp_path) == b"c"


def test_a_list_here_names_addresses_and_each_is_asked_once(site: Site, tmp_path: Path) -> None:
    url = f"{site.url}/day%201/clip.mp4"
    table = tmp_path / "rows.csv"
    table.write_text(f"path,id,query,start\n{url},,a ball,\n{url},part,,2\n")
    whole, part = find_videos([str(table)])
    assert (whole.id, whole.query, whole.start) == ("clip", "a ball", None)
    assert (part.id, part.query, part.start, part.held) == ("part", None, 2, whole.held)
    assert len(site.requests) == 1
    table.write_text(f"path\n{url}\n{site.url}/gone.mp4\n")
    clip, gone = find_videos([str(table)])
    assert (clip.fault, gone.held) == (None, None)
    assert re.search(r"rows\.csv line 3: no such file or folder: .*gone\.mp4", str(gone.fault))


def test_a_list_there_names_no_path_of_one_machine(site: Site) -> None:
    site.files["/list.txt"] = b"/data/a.mp4\n"
    with pytest.raises(UsageError, match=r"line 1: /data/a\.mp4 is a path of one machine"):
        find_videos([f"{site.url}/list.txt"])


def test_of_a_tar_only_headers_and_what_is_asked_for_are_sent(site: Site, tmp_path: Path) -> None:
    large = bytes(range(256)) * 16_000
    members = {"a.mp4": large, "a.json": b"{}", "b.mp4": large[::-1], "c.mp4": b"c"}
    site.files["/clips.tar"] = write_tar(tmp_path / "clips.tar", members).read_bytes()
    (tmp_path / "clips.tar").unlink()
    videos = find_videos([f"{site.url}/clips.tar?signature=secret"])
    assert [video.name for video in videos] == [f"{site.url}/clips.tar/{n}.mp4" for n in "abc"]
    assert site.sent < 500_000
    site.sent = 0
    assert fetch(videos[1], tmp_path) == large[::-1]
    assert site.sent == len(large)
    assert fetch(videos[2], tmp_path) == b"c"


def test_a_tar_on_a_server_that_gives_no_parts_is_refused(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    tar = write_tar(tmp_path / "clips.tar", {"a.mp4": CLIP, "b.mp4": CLIP})
    site.files["/clips.tar"] = tar.read_bytes()
    with pytest.raises(VideoError, match=r"gives no parts of .*clips\.tar; download it"):
        find_videos([f"{site.url}/clips.tar"])
