"""An image stands beside a video of a store, each at its own positions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor

from evscli.bundled import MINI_FOLDER
from evscli.language.generate import LanguageModel
from evscli.language.prefill import prefill
from evscli.serving.positions import Run, framewise, place_runs
from evscli.store import open_store
from tests.serving.vllm.engine import Engine
from tests.serving.vllm.made import QUESTIONS
from tests.serving.vllm.test_offline import CLOSE, address


def test_an_image_and_a_video_are_seen_as_transformers_sees_them(
    language: LanguageModel, stores: Path
) -> None:
    picture = Image.linear_gradient("L").resize((96, 64)).convert("RGB")
    video = address(stores / "vcast-0.3", "hard-cuts")
    with Engine.start(
        MINI_FOLDER, language, limit_mm_per_prompt={"image": 1, "video": 1}
    ) as engine:
        text = engine.text(QUESTIONS[0], ("image", "video"))
        (found,) = engine.ask_many([(text, {"image": [picture], "video": [video]})])
    record = open_store(stores / "vcast-0.3")["hard-cuts"]
    model, config = language.model, language.model.config
    shown = AutoImageProcessor.from_pretrained(MINI_FOLDER)(picture, return_tensors="pt")
    (grid,) = shown["image_grid_thw"].tolist()
    size = (1, grid[1] // 2, grid[2] // 2)
    ids = found.prompt
    start = ids.index(config.image_token_id)
    assert ids.count(config.image_token_id) == int(np.prod(size))
    runs = [Run(start=start, offsets=np.indices(size).reshape(3, -1), advance=max(size))]
    place = start + int(np.prod(size)) + 2  # behind the marks around the image and the video
    for offsets, advance in framewise(record.keep_mask.numpy()):
        place = ids.index(config.vision_start_token_id, place) + 1
        runs.append(Run(start=place, offsets=offsets, advance=advance))
        place += offsets.shape[1]
    positions, _ = place_runs(len(ids), runs)
    given = prefill(record, language.tokenizer, QUESTIONS[0], model=model)
    with torch.no_grad():
        seen = model.model.get_image_features(**shown)
        logits = model(
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            position_ids=torch.from_numpy(positions)[:, None],
            mm_encoder_outputs={**given["mm_encoder_outputs"], "image": seen},
        ).logits
    expected = logits[0, -1].log_softmax(-1)
    assert float((found.logprobs[0] - expected).abs().max()) < CLOSE
