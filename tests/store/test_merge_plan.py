from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from evscli.store.merge import MergeSource, plan_shards

BYTES, VIDEOS = 100, 10

sources = st.lists(
    st.builds(
        MergeSource,
        path=st.integers(0, 10**9).map(lambda number: Path(str(number))),
        videos=st.integers(1, 14),
        bytes=st.integers(1, 140),
        must=st.booleans(),
    ),
    max_size=30,
    unique_by=lambda source: source.path,
)


def is_small(*, size: int, videos: int) -> bool:
    return 2 * size < BYTES and 2 * videos < VIDEOS


@settings(deadline=None)
@given(sources)
def test_shards_are_full_but_for_one_and_nothing_is_moved_in_vain(
    given_: list[MergeSource],
) -> None:
    plan = plan_shards(given_, shard_bytes=BYTES, shard_videos=VIDEOS)
    moved = [source.path for group in plan for source in group]
    assert len(moved) == len(set(moved))
    assert {source.path for source in given_ if source.must} <= set(moved)
    left = [(source.bytes, source.videos) for source in given_ if source.path not in moved]
    for group in plan:
        assert [given_.index(source) for source in group] == sorted(map(given_.index, group))
        size, videos = sum(s.bytes for s in group), sum(s.videos for s in group)
        assert len(group) > 1 or group[0].must
        assert len(group) == 1 or (size <= BYTES and videos <= VIDEOS)
        assert all(s.must or is_small(size=s.bytes, videos=s.videos) for s in group)
        left.append((size, videos))
    assert sum(is_small(size=size, videos=videos) for size, videos in left) <= 1
