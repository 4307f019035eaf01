from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from evscli import prefill, prune_video
from evscli.datasets import VideoDataset, VideoStream, pack_videos
from evscli.errors import UsageError
from evscli.records import PrunedVideo
from evscli.store import StoreWriter, open_store
from tests.store.make_v2 import narrow
from tests.store.samples import CONFIG, model, record
from tests.store.test_writer import same

GRIDS = ((1, 1, 1), (3, 2, 4), (2, 5, 3))


def videos(**options: Any) -> list[PrunedVideo]:
    return [record(f"v{n}", grid=grid, **options) for n, grid in enumerate(GRIDS)]


@pytest.mark.parametrize("planes", [0, 3])
@pytest.mark.parametrize("scores", [False, True])
def test_a_batch_holds_every_record(planes: int, scores: bool) -> None:
    given = videos(planes=planes, scores=scores)
    batch = pack_videos(given)
    assert len(batch) == 3
    assert all(same(one, other) for one, other in zip(batch, given, strict=True))
    assert same(batch[-1], given[2])
    with pytest.raises(IndexError):
        batch[3]


def test_tokens_lie_one_after_the_other() -> None:
    given = videos(planes=2)
    batch = pack_videos(given)
    kept = [video.info.kept for video in given]
    assert batch.cu_seqlens.dtype == torch.int32
    assert batch.cu_seqlens.tolist() == [0, kept[0], kept[0] + kept[1], sum(kept)]
    assert batch.max_seqlen == max(kept)
    assert batch.embeds.shape == (sum(kept), 4)
    assert batch.deepstack is not None
    assert batch.deepstack.shape == (2, sum(kept), 4)
    start, end = batch.cu_seqlens[1:3].tolist()
    assert torch.equal(batch.embeds[start:end], given[1].embeds)
    assert batch[1].embeds.data_ptr() == batch.embeds[start:end].data_ptr()


def test_a_video_with_nothing_kept_has_an_empty_run() -> None:
    one = record()
    nothing = replace(
        one,
        info=replace(one.info, kept=0),
        embeds=one.embeds[:0],
        position_ids=one.position_ids[:0],
        keep_mask=torch.zeros_like(one.keep_mask),
    )
    batch = pack_videos([nothing, one])
    assert batch.cu_seqlens.tolist() == [0, 0, one.info.kept]
    assert same(batch[0], nothing)


def test_scores_that_not_all_have_are_left_out() -> None:
    batch = pack_videos([record("a", scores=True), record("b")])
    assert batch.scores is None


def test_videos_that_do_not_belong_together_are_refused() -> None:
    one = record("a")
    other = replace(one, info=replace(one.info, id="b", model=replace(model(), vision_sha256="x")))
    with pytest.raises(UsageError, match="'a' and 'b' were made by different models"):
        pack_videos([one, other])
    half = record("c", dtype=torch.float16)
    with pytest.raises(UsageError, match="'a' and 'c' were made by different models or in diff"):
        pack_videos([one, half])
    with pytest.raises(UsageError, match="needs a video"):
        pack_videos([])


@pytest.mark.filterwarnings("ignore:.*vision weights.*not checked")
def test_a_batch_goes_to_prefill(clip: Path, tmp_path: Path, tokenizer: Any) -> None:
    pruned = prune_video(clip, method="uniform-grid", budget=0.5)
    with StoreWriter(tmp_path, CONFIG) as writer:
        for name in "ab":
            writer.add(replace(pruned, info=replace(pruned.info, id=name)))
    dataset = VideoDataset(tmp_path)
    batch = pack_videos(list(dataset))
    questions = ["what happens first?", "which shape is red?"]
    packed = prefill(list(batch), tokenizer, questions)
    plain = prefill([dataset["a"], dataset["b"]], tokenizer, questions)
    assert torch.equal(packed["input_ids"], plain["input_ids"])
    assert torch.equal(packed["position_ids"], plain["position_ids"])
    for one, other in zip(
        packed["mm_encoder_outputs"]["video"].pooler_output,
        plain["mm_encoder_outputs"]["video"].pooler_output,
        strict=True,
    ):
        assert torch.equal(one, other)


def test_tokens_in_a_store_dtype_are_packed_as_they_were_computed(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", CONFIG) as writer:
        for name in ("a", "b"):
            writer.add(narrow("int8", name, dtype=torch.bfloat16))
    dataset, opened = VideoDataset(tmp_path / "store"), open_store(tmp_path / "store")
    for source in (dataset, VideoStream(dataset)):
        (batch,) = DataLoader(source, batch_size=2, collate_fn=pack_videos)
        assert batch.embeds.dtype == torch.bfloat16
        assert all(same(video, opened[video.id]) for video in batch)
