from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from evscli.pruners import check_selection, select_tokens
from evscli.pruners.positions import gather_tokens, position_ids
from evscli.records import VideoTokens
from evscli.scratch import allocate
from tests.pruners.videos import noise
from tests.store.processes import finish, start

MASK = noise(6, 3, 4, 1, seed=5)[..., 0] > 0


def test_positions_are_the_kept_cells_in_raster_order() -> None:
    mask = torch.zeros((2, 2, 3), dtype=torch.bool)
    mask[1, 0, 2] = mask[0, 1, 0] = mask[1, 0, 1] = True
    positions = position_ids(mask)
    assert positions.dtype == torch.int32
    assert positions.tolist() == [[0, 1, 0], [1, 0, 1], [1, 0, 2]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("frames", [1, 2, 100])
def test_rows_are_those_of_the_kept_cells(
    dtype: torch.dtype, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evscli.pruners.ops.frames._CACHED_VALUES", frames * 3 * 4 * 8)
    embeds, planes = noise(6, 3, 4).to(dtype), noise(2 * 6, 3, 4, seed=1).to(dtype)
    deepstack = planes.view(2, 6, 3, 4, 8)
    rows, deep = gather_tokens(VideoTokens(embeds=embeds, deepstack=deepstack), MASK)
    assert torch.equal(rows, embeds[MASK])
    assert deep is not None
    assert torch.equal(deep, deepstack[:, MASK])
    assert rows.dtype == deep.dtype == dtype


def test_a_family_without_deepstack_has_none() -> None:
    assert gather_tokens(VideoTokens.from_embeds(noise(6, 3, 4)), MASK)[1] is None


def test_strided_and_gradient_carrying_tokens_are_gathered() -> None:
    embeds = noise(6, 3, 4, 16)[..., ::2].requires_grad_()
    rows, _ = gather_tokens(VideoTokens.from_embeds(embeds), MASK)
    assert torch.equal(rows, embeds.detach()[MASK])
    assert not rows.requires_grad


def test_an_empty_and_a_full_mask() -> None:
    tokens = VideoTokens.from_embeds(noise(6, 3, 4))
    assert gather_tokens(tokens, torch.zeros_like(MASK))[0].shape == (0, 8)
    assert torch.equal(gather_tokens(tokens, torch.ones_like(MASK))[0], tokens.embeds.view(-1, 8))


def test_a_mask_of_another_grid_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(6, 3, 4\).*\(6, 4, 3\)"):
        gather_tokens(VideoTokens.from_embeds(noise(6, 4, 3)), MASK)


def prune_with_little_memory(folder: Path) -> None:
    """With room for 64 MB beside the tokens, which are in a file."""
    os.environ["TMPDIR"] = str(folder)
    torch.set_num_threads(1)
    shape = (96, 14, 14, 2048)  # 77 MB in bfloat16, 154 MB as float32
    with patch("evscli.scratch.free_memory", lambda: 0):
        tokens = VideoTokens.from_embeds(allocate(shape, torch.bfloat16))
    first = torch.randn(shape[1:]).bfloat16()
    for number, frame in enumerate(tokens.embeds):
        frame.copy_(first.roll(number, dims=-1))
    small = VideoTokens.from_embeds(tokens.embeds[:3, :2, :2].contiguous())
    requests = [check_selection(method, 0.9) for method in ("evs", "vcast", "random")]
    for request in requests:  # loads what the first call loads
        gather_tokens(small, select_tokens(request, small).mask)
    status = Path("/proc/self/status").read_text().splitlines()
    data = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (data + (64 << 20), resource.RLIM_INFINITY))
    for request in requests:
        rows, _ = gather_tokens(tokens, select_tokens(request, tokens).mask)
        assert len(rows) == request.expected_count(tokens.grid_thw)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits anonymous memory as Linux does")
def test_tokens_in_a_file_are_pruned_within_64_mb_of_memory(tmp_path: Path) -> None:
    finish(start(prune_with_little_memory, tmp_path))
