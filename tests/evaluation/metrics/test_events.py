from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evscli.errors import UsageError
from evscli.evaluation.metrics import SourceEvent, event_cells

TRUTH = json.loads((Path(__file__).parents[3] / "sample_videos" / "truth.json").read_text())


class TestEventCells:
    def test_of_the_lamp_in_the_fixed_camera_clip(self) -> None:
        truth = TRUTH["fixed-camera.mp4"]
        lamp = SourceEvent(**truth["events"][0])  # x 288..312, y 26..50, frames 140..151
        cells = event_cells(
            lamp,
            source_index=torch.arange(0, 240, 4),
            source_size=tuple(truth["size"]),
            grid_thw=(30, 9, 16),
            temporal_patch_size=2,
        )
        assert cells.nonzero().tolist() == [[t, y, 12] for t in (17, 18) for y in (1, 2)]

    @pytest.mark.parametrize("name", TRUTH)
    def test_takes_every_event_of_the_sample_videos(self, name: str) -> None:
        truth = TRUTH[name]
        for event in truth["events"]:
            cells = event_cells(
                SourceEvent(**event),
                source_index=np.arange(truth["frames"]),
                source_size=tuple(truth["size"]),
                grid_thw=(truth["frames"], 6, 4),
                temporal_patch_size=1,
            )
            frames = cells.flatten(1).any(dim=1).nonzero().flatten().tolist()
            assert frames == list(range(event["start"], event["end"]))
            assert cells.all(dim=2).all(dim=1).any() == (event["name"] == "cut")

    @settings(deadline=None, max_examples=100)
    @given(data=st.data())
    def test_are_those_whose_part_of_the_picture_the_box_overlaps(
        self, data: st.DataObject
    ) -> None:
        height, width, h, w = (data.draw(st.integers(1, 40)) for _ in range(4))
        x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
        x1 = data.draw(st.integers(x0 + 1, width))
        y1 = data.draw(st.integers(y0 + 1, height))
        patch_size = data.draw(st.integers(1, 3))
        index = sorted(data.draw(st.lists(st.integers(0, 30), min_size=1, max_size=9)))
        start = data.draw(st.integers(0, 30))
        end = data.draw(st.integers(start + 1, 31))
        t = -(-len(index) // patch_size)
        got = event_cells(
            SourceEvent(name="it", start=start, end=end, box=(x0, y0, x1, y1)),
            source_index=np.array(index),
            source_size=(height, width),
            grid_thw=(t, h, w),
            temporal_patch_size=patch_size,
        )

        def overlap(cell: int, cells: int, size: int, low: int, high: int) -> bool:
            return low < Fraction((cell + 1) * size, cells) and high > Fraction(cell * size, cells)

        seen = [
            any(start <= n < end for n in index[p * patch_size : (p + 1) * patch_size])
            for p in range(t)
        ]
        in_rows = [overlap(i, h, height, y0, y1) for i in range(h)]
        in_columns = [overlap(j, w, width, x0, x1) for j in range(w)]
        assert got.tolist() == [
            [[a and b and c for c in in_columns] for b in in_rows] for a in seen
        ]

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"box": (0, 0, 9, 5)}, r"\[0, 0, 9, 5\].* 8 wide and 6 high: give x0, y0"),
            ({"box": (4, 2, 4, 5)}, r"not inside a picture"),
            ({"box": (-1, 0, 4, 5)}, r"not inside a picture"),
            ({"end": 2}, r"'it' goes from frame 2 until before 2: give an end"),
        ],
    )
    def test_of_an_impossible_event_are_refused(
        self, change: dict[str, object], words: str
    ) -> None:
        fields = {"name": "it", "start": 2, "end": 4, "box": (0, 0, 4, 4), **change}
        with pytest.raises(UsageError, match=words):
            event_cells(
                SourceEvent(**fields),  # type: ignore[arg-type]
                source_index=np.arange(4),
                source_size=(6, 8),
                grid_thw=(2, 3, 4),
                temporal_patch_size=2,
            )

    def test_need_frames_that_make_the_grid(self) -> None:
        event = SourceEvent(name="it", start=0, end=1, box=(0, 0, 1, 1))
        with pytest.raises(ValueError, match="5 frames, 2 a patch, do not make 2 temporal patches"):
            event_cells(
                event,
                source_index=np.arange(5),
                source_size=(6, 8),
                grid_thw=(2, 3, 4),
                temporal_patch_size=2,
            )
