from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evscli.corpus.inputs import find_videos, lists
from evscli.errors import UsageError


def write(folder: Path, columns: dict[str, Any], **options: Any) -> str:
    path = folder / "rows.parquet"
    pq.write_table(pa.table(columns), path, **options)
    return str(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    return tmp_path


def test_its_columns_are_those_of_a_list_and_others_are_passed_over(folder: Path) -> None:
    columns = {
        "caption": ["a ball", "a star"],
        "path": pa.array(["a.mp4", "b.mp4"]).dictionary_encode(),
        "query": ["which color?", None],
        "id": [None, "second"],
        "start": pa.array([None, 2], pa.int64()),
        "end": pa.array([1.5, None], pa.float64()),
    }
    first, second = find_videos([write(folder, columns)])
    assert (first.id, first.query, first.start, first.end) == ("a@0-1.5", "which color?", None, 1.5)
    assert (second.id, second.query, second.start, second.end) == ("second", None, 2, None)
    assert second.path == folder / "b.mp4"


def test_rows_are_read_in_order_over_all_row_groups(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "ROWS_PER_BATCH", 3)
    columns = {"path": ["a.mp4"] * 20, "start": [float(number) for number in range(20)]}
    videos = find_videos([write(folder, columns, row_group_size=7)])
    assert [video.start for video in videos] == columns["start"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"video": ["a.mp4"], "text": ["x"]}, "has no column path (it has video, text); rename"),
        ({"path": ["a.mp4"], "id": [7]}, "rows.parquet row 1: id must be a text, not 7"),
        ({"path": ["a.mp4", "a.mp4"], "end": [1.0, float("nan")]}, "row 2: end must be a number"),
        ({"path": ["a.mp4", None]}, "row 2: there is no path"),
        ({"path": pa.array([], pa.string())}, "names no video"),
    ],
)
def test_a_table_that_means_nothing_is_refused(
    folder: Path, columns: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        find_videos([write(folder, columns)])
    assert words in str(caught.value)


@pytest.mark.parametrize("keep", [0, 3, 100, -10])
def test_a_file_that_is_cut_off_is_refused(folder: Path, keep: int) -> None:
    path = Path(write(folder, {"path": ["a.mp4"]}))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UsageError, match=r"rows\.parquet is not a whole Parquet file"):
        find_videos([str(path)])


def test_without_pyarrow_one_line_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder, {"path": ["a.mp4"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'evscli\[parquet\]'"):
        find_videos([path])
