"""Cells made small, as tokens."""

from __future__ import annotations

import torch
from torch.nn.functional import avg_pool2d

from evscli.pruners.ops.pixels import pixel_tokens
from tests.pruners.videos import pictures, source


def test_a_token_is_its_cell_made_small_about_the_video_s_mean() -> None:
    frames = pictures(4, 16, 24)
    found = pixel_tokens(source(frames, patch=2), (2, 2, 3)).embeds
    means = avg_pool2d(frames.float(), 2) / 255
    small = means.view(2, 2, 3, 2, 4, 3, 4).permute(0, 3, 5, 1, 2, 4, 6).reshape(2, 2, 3, -1)
    torch.testing.assert_close(found, small - small.mean(dim=(0, 1, 2)))


def test_a_patch_that_is_not_whole_repeats_its_last_frame() -> None:
    frames = pictures(3, 16, 24)
    whole = torch.cat([frames, frames[-1:]])
    found, expected = (
        pixel_tokens(source(some, patch=2), (2, 2, 3)).embeds for some in (frames, whole)
    )
    assert torch.equal(found, expected)


def test_equal_cells_are_equal_tokens_whatever_the_size_of_a_cell() -> None:
    frames = pictures(1, 14, 21).repeat(6, 1, 1, 1)
    found = pixel_tokens(source(frames, patch=2), (3, 2, 3)).embeds
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    assert found.abs().max() > 0.1
