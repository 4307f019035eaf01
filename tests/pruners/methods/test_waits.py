"""Which methods choose without waiting for a device.

A value that is read on the host, as a count, a branch or a list, makes an accelerator finish all of
its work first. Fake tensors have shapes and no values, so a method that runs on them reads none.
"""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

from evscli.encoders.scorer import expected_shapes
from evscli.pruners import check_selection, list_pruners
from evscli.records import (
    KeptTokens,
    OptionValue,
    PruneInputs,
    VideoTokens,
    VideoWindows,
    WindowChoice,
)
from tests.pruners.videos import noise

GRID, WIDTH = (12, 6, 7), 160
WAITING = {"glean", "dycoke", "semvid", "uniform-frames", "uniform-grid", "first-of-2x2"}
"""Methods that read counts on the host: the last three those of the grid, which is small."""
METHODS = [
    p.name
    for p in list_pruners()
    if not p.keeps_all and p.inside is None and "pixels" not in p.needs
]
"""Methods that score tokens: pixels are on the host already."""
CASES: list[tuple[str, dict[str, OptionValue]]] = [
    *((name, {}) for name in METHODS if name not in WAITING),
    ("evs", {"window": 1}),
    ("evs", {"rule": "paper"}),
    ("vcast", {"largest_remainder": True}),
    ("surprise", {"frames": "curvature", "score": "outlier+uniqueness"}),
]


def chosen(method: str, options: dict[str, OptionValue]) -> object:
    request = check_selection(method, 0.3, options)
    with FakeTensorMode():
        tokens = VideoTokens.from_embeds(torch.empty((*GRID, WIDTH)))
        return request.choose(tokens, PruneInputs(query=torch.empty((3, WIDTH))))


@pytest.mark.parametrize(("method", "options"), CASES)
def test_no_value_is_read_on_the_host(method: str, options: dict[str, OptionValue]) -> None:
    kept = chosen(method, options)
    assert isinstance(kept, KeptTokens)
    assert kept.mask.shape == GRID


@pytest.mark.parametrize("method", sorted(WAITING))
def test_those_that_wait_are_known(method: str) -> None:
    with pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
        chosen(method, {})


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("window-diff", {}),
        ("stts", {}),
        ("stts", {"score": "easy"}),
        ("stts", {"score": "heuristic"}),
    ],
)
def test_windows_are_chosen_without_reading_a_value(
    method: str, options: dict[str, OptionValue]
) -> None:
    request = check_selection(method, 0.3, options)
    with FakeTensorMode():
        scorer = {name: torch.empty(shape) for name, shape in expected_shapes(WIDTH, 8).items()}
        windows = VideoWindows(states=torch.empty((*GRID, 4, WIDTH)))
        choice = request.choose(windows, PruneInputs(scorer=scorer, heads=4))
    assert isinstance(choice, WindowChoice)
    assert choice.kept.mask.shape == GRID


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("method", "options"), CASES)
def test_a_gpu_is_not_waited_for(method: str, options: dict[str, OptionValue]) -> None:
    embeds = noise(*GRID, WIDTH).cuda()
    request = check_selection(method, 0.3, options)
    inputs = PruneInputs(query=noise(1, 1, 3, WIDTH).view(3, -1).cuda())
    expected = request.choose(VideoTokens.from_embeds(embeds), inputs)  # starts libraries
    torch.cuda.set_sync_debug_mode("error")
    try:
        kept = request.choose(VideoTokens.from_embeds(embeds), inputs)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert isinstance(kept, KeptTokens)
    assert isinstance(expected, KeptTokens)
    assert torch.equal(kept.mask, expected.mask)
