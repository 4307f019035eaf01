"""Tokens that see each other in both directions see no more and no less when some are pruned."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from evscli import prefill, prune_video
from evscli.language.prefill import prompt_format
from tests.checkpoints import make_checkpoint
from tests.families.case import MESSAGES


def test_pruning_is_hiding_from_attention(tmp_path: Path, clip: Path) -> None:
    folder = str(make_checkpoint(tmp_path / "tiny", "molmo2"))
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    record, full = (
        prune_video(clip, method=method, budget=budget, model=folder, dtype="float32")
        for method, budget in (("vcast", 0.4), ("none", 1.0))
    )
    ours, whole = (prefill(video, tokenizer, MESSAGES, model=model) for video in (record, full))
    pad = prompt_format("molmo2").marks(tokenizer).pad
    visual = whole["input_ids"][0] == tokenizer.convert_tokens_to_ids(pad)
    whole["attention_mask"][0, visual] = record.keep_mask.flatten().long()
    with torch.inference_mode():
        last, hidden = (model(**inputs).logits[0, -1] for inputs in (ours, whole))
    torch.testing.assert_close(last, hidden, atol=1e-4, rtol=1e-4)
