from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from evscli.pruners.ops.spread import spread, spread_cells


@given(size=st.integers(1, 200), data=st.data())
def test_spread_positions_are_distinct_ascending_and_even(size: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, size))
    chosen = spread(count, size).tolist()
    assert len(chosen) == count
    gaps = [b - a for a, b in pairwise(chosen)]
    assert all(size // count <= gap <= size // count + 1 for gap in gaps)
    if chosen:
        assert chosen[0] >= 0
        assert chosen[-1] < size
        assert abs(chosen[0] - (size - 1 - chosen[-1])) <= 1


@given(h=st.integers(1, 12), w=st.integers(1, 12), data=st.data())
def test_spread_cells_are_as_many_as_asked(h: int, w: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, h * w))
    cells = spread_cells(count, h, w)
    assert cells.shape == (h, w)
    assert int(cells.sum()) == count
    used = cells.sum(1)[cells.any(1)]
    assert not count or int(used.max() - used.min()) <= 1
