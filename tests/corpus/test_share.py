from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evscli.corpus.share import Share, parse_share
from evscli.errors import UsageError
from evscli.records import VideoInput


def video(name: str) -> VideoInput:
    return VideoInput(id=name, path=Path(f"/in/{name}.mp4"), root=Path("/in"))


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 9))
def test_every_video_is_in_exactly_one_share_in_the_order_given(
    names: list[str], count: int
) -> None:
    videos = [video(name) for name in names]
    shares = [Share(index=index, count=count).of(videos) for index in range(count)]
    assert sorted(v.id for share in shares for v in share) == sorted(names)
    for share in shares:
        assert share == [v for v in videos if v in share]


def test_a_share_does_not_depend_on_what_else_there_is() -> None:
    videos = [video(str(number)) for number in range(100)]
    share = Share(index=1, count=4)
    assert share.of(videos[50:]) == [v for v in share.of(videos) if v in videos[50:]]
    assert 10 < len(share.of(videos)) < 40


def test_shares_are_written_with_a_slash_or_come_from_slurm() -> None:
    assert parse_share(None, {}) == Share(index=0, count=1)
    assert parse_share("3/8", {}) == Share(index=3, count=8)
    task = {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "4"}
    assert parse_share("slurm", {**task, "SLURM_ARRAY_TASK_MIN": "2"}) == Share(index=3, count=4)
    assert parse_share("slurm", {**task, "SLURM_ARRAY_TASK_ID": "0"}) == Share(index=0, count=4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8/8", "counted from 0 without gaps, 0/8 to 7/8"),
        ("0/0", "counted from 0 without gaps, 0/1"),
        ("-1/8", "is not a share; write it as 0/8, or slurm"),
        ("half", "is not a share; write it as 0/8, or slurm"),
        ("slurm", "needs SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT"),
    ],
)
def test_other_shares_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_share(text, {})


def test_a_task_with_gaps_between_is_refused() -> None:
    task = {"SLURM_ARRAY_TASK_ID": "6", "SLURM_ARRAY_TASK_COUNT": "4"}
    with pytest.raises(UsageError, match="counted from 0 without gaps, 0/4 to 3/4"):
        parse_share("slurm", task)
