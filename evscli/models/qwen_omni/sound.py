"""A video with its sound in the prompt of an Omni thinker: frames and sound take turns by seconds.

Positions of the sound begin where those of the video do. Which token follows which is decided by
the whole video, whatever was kept of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evscli.errors import UsageError
from evscli.models.contract import Marks, VideoLayout
from evscli.models.parts.times import tokens_per_second
from evscli.models.qwen_omni.ids import cell_ids, seconds_apart
from evscli.models.qwen_omni.shape import SECONDS_PER_CHUNK
from evscli.records import PrunedVideo


@dataclass(frozen=True, kw_only=True)
class SoundRule:
    """The rule by which frames and sound take turns. A call lays a video out as `VideoLayout`."""

    tokens: Callable[[int], int]
    """The number of tokens that a model makes of a number of spectra."""
    chunk: int | None
    """The seconds of frames that stand together, and then of sound; None is as little as can be."""
    marks_share: bool
    """Whether the marks around the sound have the positions of those around the video."""
    dtype: torch.dtype
    """The dtype of position ids."""

    def __call__(
        self, record: PrunedVideo, times: Sequence[float], marks: Marks, spectra: int
    ) -> VideoLayout:
        """Lay a video out as stretches of frames and of sound.

        Raises UsageError where the sound is too short for a token.
        """
        heard = self.tokens(spectra)
        if heard < 1:
            raise UsageError(
                f"the sound of {record.id!r} has {spectra} spectra, which make no token: give all "
                "of it, or no audio"
            )
        turns = self.take_turns(record, times, heard)
        layout = VideoLayout(
            text="".join(marks.sound if sounds else marks.pad for sounds in turns.sounds.tolist()),
            counts=turns.stretch[turns.kept].bincount(minlength=len(turns.sounds)),
            advance=turns.advance,
            offsets=turns.ids[:, turns.kept],
            runs=(marks.sound,),
        )
        return self.between_marks(layout, marks)

    def take_turns(self, record: PrunedVideo, times: Sequence[float], heard: int) -> Turns:
        """Put the cells of a video and `heard` tokens of its sound in order."""
        cells = cell_ids(record, times, dtype=self.dtype)
        t, h, w = record.info.grid_thw
        rate = tokens_per_second(record.info)
        seen = (torch.arange(t).double() * seconds_apart(times) * rate).repeat_interleave(h * w)
        keys = [self.turn(each, rate) for each in (seen, torch.arange(heard).double())]
        key, order = torch.cat(keys).sort(stable=True)
        sound = order >= len(seen)
        begins = torch.ones_like(sound)
        begins[1:] = sound.diff()
        if self.chunk is not None:
            begins[1:] |= key.diff() > 0
        hearing = torch.arange(heard, dtype=self.dtype).expand(3, -1)
        all_kept = torch.cat([record.keep_mask.flatten(), torch.ones(heard, dtype=torch.bool)])
        return Turns(
            sounds=sound[begins],
            stretch=begins.cumsum(0) - 1,
            kept=all_kept[order],
            ids=torch.cat([cells, hearing], dim=1)[:, order],
        )

    def turn(self, ids: Tensor, rate: float) -> Tensor:
        """Return the turns [n] of tokens with rising temporal ids [n], before they are rounded.

        They are the ids themselves or the numbers of chunks, of which none is left out: where ids
        leap over one, it has a single token.
        """
        if self.chunk is None:
            return ids
        number = torch.arange(len(ids))
        leap = ids.div(int(rate * self.chunk), rounding_mode="floor") - number
        return leap.cummin(0).values + number

    def between_marks(self, layout: VideoLayout, marks: Marks) -> VideoLayout:
        """Put the marks of sound around a layout: as text, or as runs that take up no position."""
        text = f"{marks.sound_start}{layout.text}{marks.sound_end}"
        counts, advance, offsets = layout.counts, torch.as_tensor(layout.advance), layout.offsets
        runs = layout.runs
        if self.marks_share:
            one, none = counts.new_ones(1), advance.new_zeros(1)
            counts = torch.cat([one, counts, one])
            advance = torch.cat([none, advance, none])
            before = offsets.new_full((3, 1), -1)
            offsets = torch.cat([before, offsets, torch.zeros_like(before)], dim=1)
            runs = (*runs, marks.sound_start, marks.sound_end)
        return VideoLayout(text=text, counts=counts, advance=advance, offsets=offsets, runs=runs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Turns:
    """All tokens of a video and its sound in their order, pruned ones too."""

    sounds: Tensor
    """[R] bool: which stretches are sound."""
    stretch: Tensor
    """[n] int64: the number of each token's stretch."""
    kept: Tensor
    """[n] bool: which tokens are kept."""
    ids: Tensor
    """[3, n] position ids from the start of the video."""

    @property
    def advance(self) -> Tensor:
        """The positions that each stretch takes up, [R]: the last one takes all of them.

        What follows goes on behind the largest id of that stretch, as in transformers.
        """
        taken = self.ids.new_zeros(len(self.sounds))
        taken[-1] = self.ids[:, self.stretch == self.stretch[-1]].max() + 1
        return taken


def tokens_of_second(spectra: int) -> int:
    """Return the tokens of sound in Qwen2.5-Omni: two convolutions halve the spectra."""
    return ((spectra - 1) // 2 - 1) // 2 + 1


def tokens_of_third(spectra: int) -> int:
    """Return the tokens of sound in Qwen3-Omni: 13 of 100 spectra, three times halved of fewer."""
    whole, rest = divmod(spectra, 100)
    for _ in range(3):
        rest = (rest + 1) // 2
    return 13 * whole + rest


SECOND = SoundRule(
    tokens=tokens_of_second, chunk=SECONDS_PER_CHUNK, marks_share=True, dtype=torch.int64
)
THIRD = SoundRule(tokens=tokens_of_third, chunk=None, marks_share=False, dtype=torch.float32)
