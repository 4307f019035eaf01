"""Every family from a file to logits, against its own processor and its own forward.

One suite for all: `tests/families/` says of each what its own code makes of frames.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast
from transformers.video_utils import VideoMetadata

from evscli import open_store, prefill, prune_video
from evscli.encoders import VideoEncoder, load_encoder
from evscli.encoders.digest import vision_digests, vision_weights
from evscli.encoders.files import find_model
from evscli.encoders.processor import load_video_processor
from evscli.errors import ModelError
from evscli.evaluation.questions.options import encode_options, score_options
from evscli.language.collate import ConversationCollator
from evscli.models.contract import PromptFormat
from evscli.models.registry import built_in
from evscli.models.spec import load_name
from evscli.pipeline import encode_video
from evscli.pipeline.passes import AfterPass
from evscli.pruners import check_selection, get_pruner, method_names
from evscli.records import INPUT, PruneAt, PrunedVideo, RunConfig, VideoInput
from evscli.store import StoreWriter
from evscli.train.tuning.answers import AnswerInputs, answer_loss
from tests.encoders.layouts import masked
from tests.families import CASES
from tests.families.case import MESSAGES, Case
from tests.videos import sequential_pixels, write_video

METHODS = [
    name
    for name in method_names()
    if not ((pruner := get_pruner(name)).keeps_all or pruner.inside is not None)
    and pruner.needs <= {"pixels"}
]
"""The methods that need neither training nor a question, behind the encoder."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tried:
    """A family's tiny checkpoint, a clip through evs, and the same by the family's own code."""

    case: Case
    folder: Path
    clip: Path
    model: Any
    tokenizer: Any
    full: PrunedVideo
    """The clip at full budget, from a store."""
    own: dict[str, Any]
    """The inputs of the model's own forward."""
    encoder: VideoEncoder
    encoded: AfterPass
    frames: Tensor
    """[F, 3, H, W] uint8: the frames that were sampled."""

    @property
    def form(self) -> PromptFormat:
        """What a video looks like in the family's prompts."""
        form: PromptFormat = load_name(built_in()[self.case.model_type].prompt)
        return form

    @property
    def visual(self) -> Tensor:
        """[S] bool: the places of visual tokens in the whole prompt."""
        found: Tensor = self.own["input_ids"][0] == self.tokenizer.convert_tokens_to_ids(
            self.case.pad
        )
        return found

    def kept(self, record: PrunedVideo) -> Tensor:
        """[S] bool: the places of the whole prompt that pruning leaves."""
        keep = ~self.visual
        behind = torch.ones(len(self.suffix), dtype=torch.bool)
        keep[self.visual] = torch.cat([record.keep_mask.flatten(), behind])
        return keep

    @property
    def suffix(self) -> Tensor:
        """[n, D] tokens behind those of the cells."""
        suffix = self.full.suffix
        return self.full.embeds[:0] if suffix is None else suffix

    def positions(self, keep: Tensor, *, counted: bool) -> Tensor:
        """The positions of the kept places `keep` [S]: those of the whole, or counted anew."""
        kept = self.case.positions(self.model, self.own)[..., keep]
        return torch.arange(kept.shape[-1]).expand_as(kept) if counted else kept

    def sliced(self, record: PrunedVideo) -> dict[str, Any]:
        """The inputs of the language part, sliced by hand from the whole prompt's."""
        keep = self.kept(record)
        embeds = self.model.get_input_embeddings()(self.own["input_ids"])
        tokens = torch.cat([self.full.embeds, self.suffix])
        embeds[:, self.visual] = tokens + embeds[:, self.visual] if self.case.added else tokens
        more: dict[str, Any] = {}
        if self.full.deepstack is not None:
            more["visual_pos_masks"] = self.visual[None, keep]
            more["deepstack_visual_embeds"] = [*self.full.deepstack[:, keep[self.visual]]]
        if self.form.seen_whole:
            more["mm_token_type_ids"] = self.own["mm_token_type_ids"][:, keep]
        return {
            **more,
            "input_ids": self.own["input_ids"][:, keep],
            "inputs_embeds": embeds[:, keep],
            "position_ids": self.positions(keep, counted=self.case.counted),
            "attention_mask": torch.ones(1, int(keep.sum()), dtype=torch.long),
        }


@pytest.fixture(scope="module", params=CASES)
def tried(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    case = CASES[request.param]
    root = tmp_path_factory.mktemp(case.model_type)
    folder = case.write(root / "model")
    clip = write_video(root / "clip.mp4", frames=24)
    encoder = load_encoder(str(folder), device="cpu", dtype="float32", chunk_frames=64)
    encoded = encode_video(VideoInput(id="clip", path=clip, root=root), encoder, pixels=True)
    full = encoded.prune(check_selection("none"))
    with StoreWriter(root / "store", RunConfig(settings={})) as writer:
        writer.add(full)
    full = open_store(root / "store")["clip"]
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    # AutoTokenizer would cut words as Qwen3.5 does, whatever the file says.
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    frames = torch.stack([torch.from_numpy(frame) for frame in sequential_pixels(clip)])
    chosen = frames[full.source_index].permute(0, 3, 1, 2)
    return Tried(
        case=case,
        folder=folder,
        clip=clip,
        model=model,
        tokenizer=tokenizer,
        full=full,
        own=case.own_inputs(model, tokenizer, full, chosen, MESSAGES),
        encoder=encoder,
        encoded=encoded,
        frames=chosen,
    )


@torch.no_grad()
def logits(model: Any, inputs: Any) -> Tensor:
    """[B, S, V]"""
    found: Tensor = model(**inputs).logits
    return found


@pytest.mark.parametrize(("frames", "fps"), [(7, 25.0), (48, 24.0), (901, 29.97), (20_000, 25.0)])
def test_frames_and_sizes_are_those_of_the_processor(tried: Tried, frames: int, fps: float) -> None:
    spec = built_in()[tried.case.model_type]
    own = load_video_processor(find_model(str(tried.folder)), spec)
    about = VideoMetadata(total_num_frames=frames, fps=fps, duration=frames / fps)
    rules = tried.encoder.rules
    chosen = rules.sample(frames, fps)
    assert chosen.tolist() == list(map(int, tried.case.own_frames(own, about)))
    for height, width in ((72, 128), (360, 640), (640, 360)):
        size = tried.case.own_size(own, max(len(chosen), 2), height, width)
        assert rules.resized_size(len(chosen), height, width) == size


def test_at_budget_one_logits_equal_the_models_own_forward(tried: Tried) -> None:
    ours = prefill(tried.full, tried.tokenizer, MESSAGES, model=tried.model)
    for name in {"input_ids", "mm_token_type_ids"} & ours.keys():
        assert torch.equal(ours[name], tried.own[name])
    assert torch.equal(ours["position_ids"], tried.case.positions(tried.model, tried.own))
    assert torch.equal(logits(tried.model, ours), logits(tried.model, tried.own))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_prunes_and_positions_follow_from_those_of_the_whole(
    tried: Tried, method: str
) -> None:
    record = tried.encoded.prune(check_selection(method, 0.4))
    assert record.info.kept == record.info.expected == int(record.keep_mask.sum())
    ours = prefill(record, tried.tokenizer, MESSAGES, model=tried.model)
    sliced = tried.sliced(record)
    for name in ("input_ids", "position_ids"):
        assert torch.equal(ours[name], sliced[name])


def test_pruned_logits_equal_a_call_of_the_language_part_sliced_by_hand(tried: Tried) -> None:
    record = tried.encoded.prune(check_selection("vcast", 0.4))
    ours = logits(tried.model, prefill(record, tried.tokenizer, MESSAGES, model=tried.model))
    sliced = tried.sliced(record)
    assert torch.equal(ours, language_logits(tried.model, sliced))
    other = tried.positions(tried.kept(record), counted=not tried.case.counted)
    elsewhere = language_logits(tried.model, {**sliced, "position_ids": other})
    assert torch.equal(ours, elsewhere) != tried.case.placed


@torch.no_grad()
def language_logits(model: Any, sliced: dict[str, Any]) -> Tensor:
    """[1, S, V] of a call with embeddings in place of ids; none but the language part takes
    DeepStack planes."""
    given = {name: value for name, value in sliced.items() if name != "input_ids"}
    if "deepstack_visual_embeds" not in given:
        return logits(model, given)
    found: Tensor = model.lm_head(model.model.language_model(**given).last_hidden_state)
    return found


def test_generate_answers_as_a_loop_without_cache_does(tried: Tried) -> None:
    record = tried.encoded.prune(check_selection("vcast", 0.4))
    ours = prefill(record, tried.tokenizer, MESSAGES, model=tried.model)
    made = tried.model.generate(**ours, max_new_tokens=3, do_sample=False, eos_token_id=-1)[
        0, ours["input_ids"].shape[1] :
    ]
    inputs = {**ours, "use_cache": False}
    for token in made:
        best = logits(tried.model, inputs)[0, -1]
        assert best.max() - best[token] < 1e-4
        inputs["input_ids"] = torch.cat([inputs["input_ids"], token.view(1, 1)], dim=1)
        ends = inputs["position_ids"][..., -1:].amax(0, keepdim=True) + 1
        shape = inputs["position_ids"][..., -1:].shape
        inputs["position_ids"] = torch.cat([inputs["position_ids"], ends.expand(shape)], dim=-1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        if "mm_token_type_ids" in inputs:
            kinds = inputs["mm_token_type_ids"]
            inputs["mm_token_type_ids"] = torch.cat([kinds, torch.zeros_like(kinds[:, :1])], dim=1)


def test_a_batch_of_prompts_answers_as_they_do_alone(tried: Tried) -> None:
    few, more = (tried.encoded.prune(check_selection("vcast", share)) for share in (0.2, 0.6))
    several = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what happens first?"},
                {"type": "video"},
                {"type": "text", "text": "and"},
                {"type": "video"},
            ],
        }
    ]
    asked = ([few, few], [more], [few, more]), (several, MESSAGES, several)
    together = logits(
        tried.model, prefill([*asked[0]], tried.tokenizer, [*asked[1]], model=tried.model)
    )
    for row, records, messages in zip(together, *asked, strict=True):
        alone = logits(tried.model, prefill(records, tried.tokenizer, messages, model=tried.model))
        torch.testing.assert_close(row[-1], alone[0, -1], atol=1e-4, rtol=1e-3)


def test_beams_of_a_batch_see_their_own_video(tried: Tried) -> None:
    records = [tried.encoded.prune(check_selection("vcast", share)) for share in (0.2, 0.6)]
    how = {"max_new_tokens": 3, "num_beams": 2, "do_sample": False, "eos_token_id": -1}
    batch = prefill([*records], tried.tokenizer, [MESSAGES] * 2, model=tried.model)
    together = tried.model.generate(**batch, **how)[:, -3:]
    for row, record in zip(together, records, strict=True):
        alone = prefill(record, tried.tokenizer, MESSAGES, model=tried.model)
        assert row.tolist() == tried.model.generate(**alone, **how)[0, -3:].tolist()


def test_conversations_in_one_row_give_the_loss_of_single_ones(tried: Tried) -> None:
    record = tried.encoded.prune(check_selection("vcast", 0.4))
    said = ((record, "the ball is red"), (record, "green"), (replace(record), "it is blue"))
    examples = [
        (video, [*MESSAGES, {"role": "assistant", "content": text}]) for video, text in said
    ]
    losses, rows = [], []
    for joined in (False, True):
        collate = ConversationCollator(tried.tokenizer, model=tried.model, joined=joined)
        batch = collate(examples)
        rows.append(len(batch["input_ids"]))
        with torch.no_grad():
            losses.append(tried.model(**batch, use_cache=False).loss)
            answers = AnswerInputs.of(batch)
            of_answers = answer_loss(tried.model, answers, torch.device("cpu"))
        torch.testing.assert_close(of_answers / answers.count, losses[-1], rtol=1e-4, atol=1e-4)
    assert rows == [3, 3 if tried.form.recurrent or tried.form.seen_whole else 2]
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_options_are_scored_as_single_forwards_score_them(tried: Tried) -> None:
    record = tried.encoded.prune(check_selection("vcast", 0.4))
    texts = ["red", "the red ball moves left", "10"]
    options = encode_options(tried.tokenizer, texts)
    inputs = prefill(record, tried.tokenizer, MESSAGES, model=tried.model)
    found = score_options(tried.model, inputs, options)
    for text, option, score in zip(texts, options, found, strict=True):
        answer = [*MESSAGES, {"role": "assistant", "content": text}]
        whole = prefill(
            record, tried.tokenizer, answer, model=tried.model, add_generation_prompt=False
        )
        ids, start = whole["input_ids"][0], inputs["input_ids"].shape[1]
        assert ids[start : start + len(option)].tolist() == option
        rows = logits(tried.model, whole)[0, start - 1 : start - 1 + len(option)].log_softmax(-1)
        expected = rows.gather(1, torch.tensor(option)[:, None]).sum()
        assert abs(float(score - expected)) < 1e-4


@pytest.mark.parametrize("place", [INPUT, 0])
def test_pruning_early_hides_the_rest_from_later_blocks(tried: Tried, place: PruneAt) -> None:
    record = prune_video(
        tried.clip,
        method="vcast",
        budget=0.4,
        model=str(tried.folder),
        dtype="float32",
        prune_at=place,
    )
    encoder = tried.encoder
    tower = encoder.for_grid(tower_grid(encoder, record))
    frames = encoder.form.resize(tried.frames, record.info.resized_size)
    block = -1 if place == INPUT else place
    embeds, planes = masked(tower, encoder.form.patchify(frames), record.keep_mask, block)
    for ours, theirs in ((record.embeds, embeds), (record.deepstack, planes)):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            expected = theirs[..., record.keep_mask, :]
            assert (ours - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_some_rows_are_embedded_as_all_are(tried: Tried) -> None:
    encoder = tried.encoder
    tower = encoder.for_grid(tower_grid(encoder, tried.full))
    frames = encoder.form.resize(tried.frames, tried.full.info.resized_size)
    patches = encoder.form.patchify(frames)
    whole = tower.embed(patches).flatten(0, 1)
    generator = torch.Generator().manual_seed(0)
    rows = (torch.rand(len(whole), generator=generator) < 0.3).nonzero().squeeze(1)
    rows = torch.cat([torch.zeros(1, dtype=torch.int64), rows[rows > 0]])  # with any class token
    found = tower.embed_rows(patches, rows)
    torch.testing.assert_close(found, whole[rows], atol=1e-6, rtol=1e-6)


def tower_grid(encoder: Any, record: PrunedVideo) -> tuple[int, int]:
    """The patches down and across of the resized frames."""
    height, width = record.info.resized_size
    return height // encoder.shape.patch_size, width // encoder.shape.patch_size


def test_vision_weights_are_found_by_the_names_of_files_and_of_modules(tried: Tried) -> None:
    """Transformers writes files with the names of published checkpoints, and renames them."""
    spec = built_in()[tried.case.model_type]
    published = load_file(tried.folder / "model.safetensors")
    expected = sorted(tried.encoder.for_grid((2, 2)).vision.state_dict())
    older = tried.case.older
    renamed = {older(name): value for name, value in published.items()} if older else published
    for weights in (published, tried.model.state_dict(), renamed):
        assert sorted(vision_weights(weights, spec)) == expected
        assert vision_digests(weights).stored == tried.encoder.info.vision_sha256


def test_wrong_values_of_a_checkpoint_are_refused(tried: Tried, tmp_path: Path) -> None:
    config = json.loads((tried.folder / "config.json").read_text())
    for path, value, line in tried.case.refused:
        wrong = json.loads(json.dumps(config))
        inner = wrong
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        folder = tmp_path / path[-1]
        folder.mkdir()
        for file in tried.folder.iterdir():
            (folder / file.name).symlink_to(file)
        (folder / "config.json").unlink()
        (folder / "config.json").write_text(json.dumps(wrong))
        with pytest.raises(ModelError, match=line):
            load_encoder(str(folder), device="cpu")
