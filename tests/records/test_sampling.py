from __future__ import annotations

from typing import Any

import pytest

from evscli.errors import UsageError
from evscli.records import Sampling


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"fps": 1.0, "num_frames": 8}, "--fps and --num-frames exclude each other"),
        ({"fps": 0.0}, "--fps must be a number above 0, got 0.0"),
        ({"fps": float("nan")}, "--fps must be a number above 0, got nan"),
        ({"fps": float("inf")}, "--fps must be a number above 0, got inf"),
        ({"num_frames": 0}, "--num-frames must be 1 or more, got 0"),
        ({"max_frames": -3}, "--max-frames must be 1 or more, got -3"),
        ({"by": "luck"}, "--sample-by: 'luck' is not one of 'index', 'time'"),
        ({"min_pixels": 0}, "--min-pixels must be 1 or more, got 0"),
        ({"max_pixels": -5}, "--max-pixels must be 1 or more, got -5"),
        ({"total_pixels": 0}, "--total-pixels must be 1 or more, got 0"),
        ({"min_pixels": 9000, "max_pixels": 8000}, "--min-pixels 9000 is more than --max-pixels"),
        ({"min_pixels": 9000, "total_pixels": 8000}, "9000 is more than --total-pixels 8000"),
    ],
)
def test_sampling_that_no_video_could_follow_is_refused(
    asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Sampling(**asked)
