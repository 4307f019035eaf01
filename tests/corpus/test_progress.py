from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from evscli.corpus.progress import Progress
from evscli.records import VideoInput
from tests.videos import write_video


def videos(folder: Path) -> list[VideoInput]:
    short = write_video(folder / "short.mp4", frames=24)
    long = write_video(folder / "long.mp4", frames=72)
    (folder / "bad.mp4").write_text("no video")
    return [VideoInput(id=p.stem, path=p, root=folder) for p in (short, long, folder / "bad.mp4")]


def test_it_counts_seconds_of_video_and_ends_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short, long, bad = videos(tmp_path)
    with closing(Progress([short, long, bad], shown=True)) as progress:
        progress.advance(short)
        assert progress.bar.n == pytest.approx(1, abs=0.1)
        progress.advance(bad, failed=True)
        progress.advance(long)
        assert progress.bar.n == pytest.approx(progress.bar.total, abs=0.1)
    shown = capsys.readouterr().err
    assert "3/3 videos" in shown
    assert "1 failed" in shown
    assert "4 s of video" in shown


def test_it_is_silent_when_standard_error_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short, *_ = videos(tmp_path)
    with closing(Progress([short])) as progress:
        assert progress.bar.total == 0
        progress.advance(short)
    assert capsys.readouterr().err == ""
