"""Tiny thinkers in memory, and videos of theirs whose patches are any seconds apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText

from evscli.records import PrunedVideo
from tests.families import CASES
from tests.families.case import Case
from tests.language.reference import Clip, make_clip, make_record

OMNI = [name for name in CASES if name.endswith("_thinker")]


@dataclass(frozen=True, kw_only=True, eq=False)
class Thinker:
    """A tiny model of random weights with its tokenizer."""

    case: Case
    model: Any
    tokenizer: Any

    @classmethod
    def of(cls, model_type: str) -> Thinker:
        """Make one."""
        case = CASES[model_type]
        tokenizer = case.tokenizer()
        torch.manual_seed(0)
        model = AutoModelForImageTextToText.from_config(case.config(tokenizer)).eval()
        return cls(case=case, model=model, tokenizer=tokenizer)

    def video(self, patches: int, seconds: float, *, seed: int = 0) -> tuple[PrunedVideo, Clip]:
        """A video of `patches` temporal patches of 2x3 tokens, `seconds` apart, and its pixels."""
        clip = make_clip(self.model, (patches, 2, 3), seed=seed)
        record = make_record(self.model, clip)
        rate = float(self.model.config.position_id_per_seconds)
        made_by = replace(record.info.model, tokens_per_second=rate)
        times = torch.arange(patches, dtype=torch.float64) * seconds
        info = replace(record.info, model=made_by)
        return replace(record, info=info, prompt_times=times), clip


def own_positions(thinker: Thinker, ids: Tensor, grids: list[Tensor], **own: Any) -> Tensor:
    """The model's own [3, 1, S]."""
    found: Tensor = thinker.model.get_rope_index(
        ids, video_grid_thw=torch.cat(grids), attention_mask=torch.ones_like(ids), **own
    )[0]
    return found
