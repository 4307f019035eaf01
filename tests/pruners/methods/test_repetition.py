"""DTD, RLT and DyCoke: what frames repeat of each other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, cosine_similarity

from evscli.errors import UsageError
from evscli.pruners import PruneWarning, prune
from evscli.records import KeptTokens, PixelSource, PruneInputs, VideoTokens
from tests.pruners.videos import noise, pictures, source, still, tokens


def change(embeds: Tensor, t: int, earlier: int) -> Tensor:
    return 1 - cosine_similarity(embeds[t], embeds[earlier], dim=-1)


class TestDTD:
    def test_keeps_what_differs_most_from_the_frame_before(self) -> None:
        video = tokens(5, 3, 4)
        kept = prune(video, "dtd", budget=0.5)
        assert kept.mask[0].all()
        assert kept.count == 30
        changes = torch.stack([change(video.embeds, t, t - 1) for t in range(1, 5)])
        assert changes[kept.mask[1:]].min() >= changes[~kept.mask[1:]].max()

    @pytest.mark.parametrize("threshold", [0.5, 0.0, -0.3])
    def test_a_threshold_drops_what_is_more_alike(self, threshold: float) -> None:
        video = tokens(5, 3, 4)
        kept = prune(video, "dtd", budget=1.0, threshold=threshold)
        likeness = 1 - torch.stack([change(video.embeds, t, t - 1) for t in range(1, 5)])
        assert torch.equal(kept.mask[1:], likeness <= threshold)
        assert kept.mask[0].all()
        assert kept.expected == kept.count

    def test_the_budget_holds_with_a_threshold(self) -> None:
        assert prune(tokens(5, 3, 4), "dtd", budget=0.3, threshold=1.0).count == 18

    def test_repeated_frames_pass_no_threshold(self) -> None:
        kept = prune(VideoTokens.from_embeds(still(4, 3, 3)), "dtd", budget=1.0, threshold=0.5)
        assert kept.count == 9

    @pytest.mark.parametrize("threshold", [-1.5, 1.5])
    def test_a_threshold_that_means_nothing_is_refused(self, threshold: float) -> None:
        with pytest.raises(UsageError, match=r"threshold of dtd must be from -1 to 1"):
            prune(tokens(2, 2, 2), "dtd", budget=0.5, threshold=threshold)

    def test_that_only_the_first_frame_fits_is_said(self) -> None:
        with pytest.warns(PruneWarning, match="first frame is kept whole, 12 of 60"):
            assert prune(tokens(5, 3, 4), "dtd", budget=0.1).count == 12

    def test_the_pixel_space_needs_the_pixels(self) -> None:
        with pytest.raises(UsageError, match="needs pixels"):
            prune(tokens(2, 2, 2), "dtd", budget=0.5, space="pixel")

    def test_pixels_are_compared(self) -> None:
        frames = torch.zeros((6, 3, 8, 8), dtype=torch.uint8)
        frames[2:, :, :4, :4] = 200
        inputs = PruneInputs(
            pixels=PixelSource(chunks=lambda: iter([frames]), temporal_patch_size=2)
        )
        kept = prune(
            tokens(3, 2, 2), "dtd", budget=1.0, inputs=inputs, space="pixel", threshold=0.1
        )
        assert kept.mask[1:].nonzero().tolist() == [[0, 0, 0]]


class TestRLT:
    def kept(self, frames: Tensor, patch: int, **given: float) -> KeptTokens:
        video = tokens(-(-len(frames) // patch), 3, 4)
        inputs = PruneInputs(pixels=source(frames, patch=patch))
        return prune(video, "rlt", budget=1.0, inputs=inputs, **given)

    @pytest.mark.parametrize("patch", [1, 2])
    def test_compares_the_end_of_a_patch_with_the_start_of_the_one_before(self, patch: int) -> None:
        """The rule as its authors write it, with frames and cells as axes."""
        frames = pictures(8)
        values = frames.float()
        ends, starts = values[2 * patch - 1 :: patch], values[:-patch:patch]
        means = avg_pool2d((ends - starts).abs(), 4).mean(dim=1)
        for threshold in (0.0, 80.0, 90.0, 255.0):
            kept = self.kept(frames, patch, threshold=threshold)
            assert kept.mask[0].all()
            assert torch.equal(kept.mask[1:], means > threshold)
            assert kept.expected == kept.count
        assert kept.scores is not None
        torch.testing.assert_close(kept.scores[1:], means)

    def test_the_budget_keeps_what_differs_most(self) -> None:
        frames = pictures(8)
        inputs = PruneInputs(pixels=source(frames, patch=2))
        kept = prune(tokens(4, 3, 4), "rlt", budget=0.5, inputs=inputs)
        assert kept.mask[0].all()
        assert kept.count == 24
        assert kept.scores is not None
        assert kept.scores[kept.mask].min() >= kept.scores[~kept.mask].max()

    def test_a_flash_within_a_patch_begins_one_run(self) -> None:
        """It is over by the last frame of the next patch, which is like the first of its own."""
        frames = torch.zeros((6, 3, 12, 16), dtype=torch.uint8)
        frames[3, :, :4, :4] = 200
        kept = self.kept(frames, 2, threshold=2.0)
        assert kept.mask[1:].nonzero().tolist() == [[0, 0, 0]]


class TestDyCoke:
    def test_compares_within_groups_of_four(self) -> None:
        video = tokens(8, 4, 4)
        kept = prune(video, "dycoke", budget=0.4).mask
        per_frame = kept.flatten(1).sum(1).tolist()
        assert per_frame == [16, 4, 3, 3, 16, 3, 3, 3]
        compared = {1: 0, 2: 0, 3: 2, 5: 4, 6: 4, 7: 6}
        for t, earlier in compared.items():
            changes = change(video.embeds, t, earlier)
            assert changes[kept[t]].min() >= changes[~kept[t]].max()

    def test_a_group_cut_short_keeps_its_first_frame(self) -> None:
        kept = prune(tokens(6, 2, 2), "dycoke", budget=0.5).mask.flatten(1).sum(1)
        assert kept.tolist() == [4, 1, 1, 1, 4, 1]

    def test_it_cannot_keep_less_than_every_fourth_frame(self) -> None:
        with pytest.warns(PruneWarning, match="8 of 32 tokens are kept where a budget of 0.1 asks"):
            kept = prune(VideoTokens.from_embeds(noise(8, 2, 2)), "dycoke", budget=0.1)
        assert kept.mask.flatten(1).sum(1).tolist() == [4, 0, 0, 0, 4, 0, 0, 0]
