from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from evscli.errors import UsageError
from evscli.pruners.ops.frame_change import embedding_change, pixel_change, window_change
from evscli.records import PixelSource
from tests.pruners.videos import noise, pictures, source, still


def test_change_is_one_minus_the_cosine_to_the_frame_before() -> None:
    embeds = noise(6, 3, 4, 16)
    x = embeds.double()
    expected = 1 - functional.cosine_similarity(x[1:], x[:-1], dim=-1)
    change = embedding_change(embeds)
    torch.testing.assert_close(change[1:].double(), expected, atol=1e-6, rtol=1e-6)
    assert (change[0] == 2).all()


def test_a_small_change_is_measured_without_rounding_noise() -> None:
    embeds = still(2, 1, 8, 64)
    embeds[1] += 1e-5 * noise(1, 1, 8, 64, seed=1)[0]
    x = embeds.double()
    a, b = x[0] / x[0].norm(dim=-1, keepdim=True), x[1] / x[1].norm(dim=-1, keepdim=True)
    expected = (a - b).square().sum(dim=-1) / 2  # 1 - cos of unit vectors, free of cancellation
    torch.testing.assert_close(embedding_change(embeds)[1].double(), expected, atol=0, rtol=1e-2)


def test_a_token_equal_to_its_predecessor_scores_exactly_zero() -> None:
    embeds = noise(5, 3, 3)
    embeds[3, 1, 1] = embeds[2, 1, 1]
    embeds[4] = embeds[3]
    change = embedding_change(embeds)
    assert change[3, 1, 1] == 0
    assert (change[4] == 0).all()
    assert (change[3] == 0).sum() == 1


def test_zero_vectors_are_unlike_all_others_and_equal_to_each_other() -> None:
    embeds = torch.zeros((3, 1, 1, 4))
    embeds[1] = 1.0
    assert embedding_change(embeds).flatten().tolist() == [2.0, 1.0, 1.0]
    assert embedding_change(torch.zeros((2, 1, 1, 4)))[1].item() == 0


def test_the_predecessor_is_the_real_frame_before_not_the_last_kept() -> None:
    embeds = noise(1, 1, 1, 16).repeat(4, 1, 8, 1)
    drift = noise(1, 1, 8, 16, seed=3)[0] * 0.1
    for t in range(1, 4):
        embeds[t] = embeds[t - 1] + drift  # small steps that add up
    change = embedding_change(embeds)[1:]
    assert change.max() < 0.1


class TestPixels:
    @pytest.mark.parametrize("count", [8, 7])
    @pytest.mark.parametrize("chunk", [1, 3, 8])
    def test_change_is_the_l1_distance_of_cells(self, count: int, chunk: int) -> None:
        frames = pictures(count)
        whole = torch.cat([frames, frames[-1:]])[:8].double()  # an odd count repeats its last
        cells = whole.view(4, 2, 3, 3, 4, 4, 4).permute(0, 3, 5, 1, 2, 4, 6).flatten(3)
        expected = (cells[1:] - cells[:-1]).abs().mean(dim=-1) / 255
        change = pixel_change(source(frames, chunk=chunk), (4, 3, 4))
        assert (change[0] == 1).all()
        torch.testing.assert_close(change[1:].double(), expected, atol=1e-7, rtol=0)

    def test_a_chunk_that_the_source_reuses_does_not_change_the_score(self) -> None:
        frames = pictures(8)
        buffer = torch.empty_like(frames[:2])

        def chunks() -> Iterator[Tensor]:
            for chunk in frames.split(2):
                yield buffer.copy_(chunk)

        reused = PixelSource(chunks=chunks, temporal_patch_size=2)
        expected = pixel_change(source(frames), (4, 3, 4))
        assert torch.equal(pixel_change(reused, (4, 3, 4)), expected)

    @pytest.mark.parametrize(("count", "grid"), [(0, (4, 3, 4)), (6, (4, 3, 4)), (10, (4, 3, 4))])
    def test_pixels_of_another_length_are_refused(
        self, count: int, grid: tuple[int, int, int]
    ) -> None:
        with pytest.raises(UsageError, match="4x3x4"):
            pixel_change(source(pictures(count)), grid)

    @pytest.mark.parametrize("grid", [(4, 5, 4), (4, 3, 5), (1, 5, 4)])
    def test_pixels_of_another_size_are_refused(self, grid: tuple[int, int, int]) -> None:
        frames = pictures(2 * grid[0])
        with pytest.raises(UsageError, match="x".join(map(str, grid))):
            pixel_change(source(frames), grid)


@pytest.mark.parametrize("reach", [1, 2])
@pytest.mark.parametrize("grid", [(4, 3, 5), (3, 1, 2), (1, 4, 4)])
def test_a_window_finds_the_nearest_token_around(grid: tuple[int, int, int], reach: int) -> None:
    embeds = noise(*grid, 8)
    unit = functional.normalize(embeds.double(), dim=-1)
    found = window_change(embeds, reach=reach)
    assert (found[0] == 2).all()
    t, h, w = grid
    for time in range(1, t):
        for row in range(h):
            for column in range(w):
                rows = slice(max(row - reach, 0), row + reach + 1)
                columns = slice(max(column - reach, 0), column + reach + 1)
                near = unit[time - 1, rows, columns].flatten(0, 1)
                wanted = 1 - (near @ unit[time, row, column]).max()
                assert float(found[time, row, column]) == pytest.approx(float(wanted), abs=1e-6)


def test_what_moves_by_a_cell_is_no_change_in_a_window() -> None:
    embeds = noise(1, 4, 6, 16).expand(3, -1, -1, -1).clone()
    embeds[1, :, 1:] = embeds[0, :, :-1]
    assert (window_change(embeds, reach=1)[1, :, 1:] == 0).all()
    assert (embedding_change(embeds)[1, :, 1:] > 0.1).all()


def test_a_window_larger_than_the_frame_is_the_frame() -> None:
    embeds = noise(3, 2, 4)
    assert window_change(embeds, reach=10**12).equal(window_change(embeds, reach=3))
