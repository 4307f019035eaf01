"""Pruning inside the encoder, or before it, from a file to what a shard holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from evscli.budget import parse_rule
from evscli.bundled import MINI
from evscli.encoders import VideoEncoder, load_encoder
from evscli.encoders.files import LocalFolder
from evscli.encoders.scorer import checkpoint_scorer, expected_shapes, load_scorer
from evscli.errors import ModelError, UsageError, VideoError
from evscli.models.parts.frame_tower import FrameTower
from evscli.pipeline import VideoPruner
from evscli.pruners import Pruner, check_selection, list_pruners
from evscli.records import INPUT, PruneAt, PrunedVideo, Sampling, VideoInput
from tests.videos import write_video

INSIDE = [
    pruner.name
    for pruner in list_pruners()
    if not pruner.keeps_all and pruner.needs <= {"pixels"} and pruner.inside is None
]


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    return load_encoder(MINI, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> VideoInput:
    folder = tmp_path_factory.mktemp("inside")
    path = folder / "clip.mp4"
    write_video(path, frames=72, size=(96, 128))
    return VideoInput(id="clip", path=path, root=folder)


@pytest.fixture(scope="module")
def scorer(encoder: VideoEncoder) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = expected_shapes(encoder.shape.width, 24)
    return {name: torch.randn(s, generator=generator) * 0.2 for name, s in shapes.items()}


def prune(
    encoder: VideoEncoder,
    video: VideoInput,
    method: str,
    budget: float,
    *,
    after: PruneAt | None = None,
    scorer: dict[str, Tensor] | None = None,
) -> PrunedVideo:
    request = check_selection(method, budget, prune_at=after)
    return VideoPruner(encoder, request, scorer=scorer, store_scores=True)(video)


@pytest.fixture(scope="module", params=[2, INPUT, pytest.param(0, marks=pytest.mark.slow)])
def inside(
    request: pytest.FixtureRequest, encoder: VideoEncoder, video: VideoInput
) -> dict[str, PrunedVideo | VideoError]:
    """What every method makes of the same pass of the encoder."""
    asked = [check_selection(method, 0.4, prune_at=request.param) for method in INSIDE]
    made = dict(VideoPruner(encoder, *asked, store_scores=True).prune(video))
    return {method: made[number] for number, method in enumerate(INSIDE)}


@pytest.mark.parametrize("method", INSIDE)
def test_every_method_without_training_works_inside(
    inside: dict[str, PrunedVideo | VideoError], method: str
) -> None:
    record = inside[method]
    assert isinstance(record, PrunedVideo)
    request = check_selection(method, 0.4)
    assert record.info.kept == record.info.expected == len(record.embeds)
    assert record.info.count_rule is None
    assert record.info.expected == request.expected_count(record.info.grid_thw)
    assert record.deepstack is not None
    assert record.deepstack.shape == (2, *record.embeds.shape)
    assert torch.equal(record.position_ids, record.keep_mask.nonzero().int())


@pytest.mark.parametrize("method", ["evs", "vcast"])
@pytest.mark.parametrize("place", [1, INPUT])
def test_budget_one_inside_is_the_whole_encoder(
    encoder: VideoEncoder, video: VideoInput, method: str, place: PruneAt
) -> None:
    inside, after = (prune(encoder, video, method, 1.0, after=n) for n in (place, None))
    torch.testing.assert_close(inside.embeds, after.embeds, atol=1e-5, rtol=1e-4)
    assert inside.keep_mask.all()


def test_without_units_only_what_comes_out_is_rounded(
    encoder: VideoEncoder, video: VideoInput
) -> None:
    auto = load_encoder(MINI, device="cpu", units={"float32"})
    kept, expected = (prune(one, video, "vcast", 0.3, after=1) for one in (auto, encoder))
    assert torch.equal(kept.keep_mask, expected.keep_mask)
    assert torch.equal(kept.embeds, expected.embeds.bfloat16())
    assert kept.deepstack is not None
    assert expected.deepstack is not None
    assert torch.equal(kept.deepstack, expected.deepstack.bfloat16())


def test_selections_share_their_passes_of_the_encoder(
    encoder: VideoEncoder, video: VideoInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[str] = []
    for name in ("encode", "begin"):
        whole = getattr(VideoEncoder, name)

        def counted(self: VideoEncoder, *given: Any, _name: str = name, **more: Any) -> Any:
            passes.append(_name)
            return getattr(self, f"_whole_{_name}")(*given, **more)

        monkeypatch.setattr(VideoEncoder, f"_whole_{name}", whole, raising=False)
        monkeypatch.setattr(VideoEncoder, name, counted)
    asked = [
        check_selection(method, budget, prune_at=after)
        for after in (None, 1, 2)
        for method in ("evs", "vcast")
        for budget in (0.2, 0.5)
    ]
    made = dict(VideoPruner(encoder, *asked).prune(video))
    assert sorted(made) == [*range(12)]
    assert passes == ["encode", "begin", "begin"]


def test_stts_chooses_by_its_scorer(
    encoder: VideoEncoder, video: VideoInput, scorer: dict[str, Tensor]
) -> None:
    record = prune(encoder, video, "stts", 0.5, after=1, scorer=scorer)
    assert record.keep_mask[0].all()
    assert record.info.kept == record.info.expected
    assert record.scores is not None
    rest, kept = record.scores[1:].float(), record.keep_mask[1:]
    assert rest[kept].min() >= rest[~kept].max()
    other = {name: value * 3 for name, value in scorer.items()}
    again = prune(encoder, video, "stts", 0.5, after=1, scorer=other)
    assert not torch.equal(again.keep_mask, record.keep_mask)


def test_states_that_are_not_finite_are_refused(
    encoder: VideoEncoder, video: VideoInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = VideoEncoder.begin

    def broken(self: VideoEncoder, *given: Any, **more: Any) -> Any:
        prefix = begin(self, *given, **more)
        with torch.inference_mode():
            prefix.states[prefix.after][3] = torch.nan
        return prefix

    monkeypatch.setattr(VideoEncoder, "begin", broken)
    with pytest.raises(VideoError, match="not finite in float32"):
        prune(encoder, video, "evs", 0.4, after=1)


def test_what_changes_tensors_is_in_the_fingerprint(
    encoder: VideoEncoder, scorer: dict[str, Tensor]
) -> None:
    class Rows:
        def __init__(self, digest: str) -> None:
            self.digest = digest

        def __call__(self, text: str) -> Tensor:
            raise NotImplementedError

    def settings(
        method: str, budget: str = "0.5", after: PruneAt | None = None, **given: Any
    ) -> str:
        request = check_selection(method, parse_rule(budget), prune_at=after)
        return json.dumps(VideoPruner(encoder, request, **given).configs[0].settings)

    other = {name: value + 1 for name, value in scorer.items()}
    seen = [
        settings("evs"),
        settings("evs", after=1),
        settings("evs", after=2),
        settings("evs", after=INPUT),
        settings("stts", after=1, scorer=scorer),
        settings("stts", after=1, scorer=other),
        settings("semvid", queries=Rows("a")),
        settings("semvid", queries=Rows("b")),
        settings("evs", "0.1234567:0.9"),
        settings("evs", "0.1234568:0.9"),
        settings("evs", "0.1234568:0.9", seed=1),
        settings("evs", "100.0001tok/s"),
        settings("evs", "100.0004tok/s"),
        settings("evs", store_dtype="float8"),
        settings("evs", store_dtype="int8"),
    ]
    assert len({*seen}) == len(seen)
    assert "store_dtype" not in seen[0]  # as in stores from before there was a choice


def test_one_selection_that_fails_leaves_the_others(
    encoder: VideoEncoder, video: VideoInput
) -> None:
    def fails(*_: Any) -> Any:
        raise MemoryError("too much")

    broken = Pruner(
        name="broken", summary="", paper="", function=fails, expected_count=lambda *_: 1
    )
    asked = check_selection("evs", 0.5)
    requests = [replace(asked, pruner=broken, options={}), asked, check_selection("vcast", 0.5)]
    made = dict(VideoPruner(encoder, *requests).prune(video))
    assert isinstance(made[0], VideoError)
    assert [made[number].info.method for number in (1, 2)] == ["evs", "vcast"]  # type: ignore[union-attr]


def test_stts_without_weights_is_refused(encoder: VideoEncoder, video: VideoInput) -> None:
    with pytest.raises(UsageError, match="'stts' needs scorer"):
        prune(encoder, video, "stts", 0.5, after=1)


def test_a_block_that_is_not_there_is_refused(encoder: VideoEncoder, video: VideoInput) -> None:
    with pytest.raises(UsageError, match=r"has blocks 0 to 3, so .* after 0 to 2, not after 3"):
        prune(encoder, video, "window-diff", 0.5)


@pytest.mark.parametrize("method", ["evs", "dtd"])
def test_pixels_choose_before_the_encoder_what_they_choose_after_it(
    encoder: VideoEncoder, video: VideoInput, method: str
) -> None:
    space = {"evs": "rgb", "dtd": "pixel"}[method]
    masks = []
    for place in (INPUT, 1, None):
        request = check_selection(method, 0.4, {"space": space}, prune_at=place)
        masks.append(VideoPruner(encoder, request)(video).keep_mask)
    assert torch.equal(masks[0], masks[2])
    assert torch.equal(masks[1], masks[2])


def test_what_is_dropped_is_neither_normalised_nor_embedded(
    encoder: VideoEncoder, video: VideoInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded: list[int] = []
    whole = FrameTower.embed_rows

    def counted(self: FrameTower, patches: Tensor, rows: Tensor) -> Tensor:
        embedded.append(len(rows))
        assert len(patches) <= rows.div(self.size, rounding_mode="floor").unique().numel()
        return whole(self, patches, rows)

    monkeypatch.setattr(FrameTower, "embed_rows", counted)
    monkeypatch.setattr(FrameTower, "embed", None)
    record = prune(encoder, video, "evs", 0.3, after=INPUT)
    assert sum(embedded) == 4 * record.info.kept


@pytest.mark.parametrize("frames", [1, 2, 7, 16])
def test_chunks_do_not_matter_before_the_encoder(video: VideoInput, frames: int) -> None:
    sampled = load_encoder(MINI, device="cpu", dtype="float32", sampling=Sampling(num_frames=7))
    one, other = (
        prune(replace(sampled, chunk_frames=n), video, "surprise", 0.3, after=INPUT)
        for n in (64, 2 * frames)
    )
    assert torch.equal(one.keep_mask, other.keep_mask)
    torch.testing.assert_close(one.embeds, other.embeds, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", ["stts", "window-diff"])
def test_methods_that_need_a_block_are_refused_before_the_first(method: str) -> None:
    with pytest.raises(UsageError, match="looks at what blocks of the encoder make"):
        check_selection(method, 0.5, prune_at=INPUT)


@pytest.mark.parametrize("place", ["inputs", "-1", -1, "1.0", 1.5, True, ""])
def test_other_places_are_refused(place: Any) -> None:
    with pytest.raises(UsageError, match=r"--prune-at must be a block of the encoder .* or input"):
        check_selection("evs", 0.5, prune_at=place)


@pytest.mark.parametrize(
    ("method", "message"),
    [("none", "keeps everything"), ("semvid", "compares finished tokens with words")],
)
def test_methods_that_cannot_choose_inside_are_refused(method: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_selection(method, 1.0, prune_at=2)


class TestScorers:
    def published(self, scorer: dict[str, Tensor]) -> dict[str, Tensor]:
        prefix = "vision_backbone.image_vit.transformer.temporal_token_scorer."
        return {prefix + name: value for name, value in scorer.items()}

    @pytest.mark.parametrize("published", [False, True])
    def test_are_read_from_a_file(
        self, tmp_path: Path, scorer: dict[str, Tensor], published: bool
    ) -> None:
        path = tmp_path / "scorer.safetensors"
        save_file(self.published(scorer) | {"other": torch.ones(1)} if published else scorer, path)
        loaded = load_scorer(path, width=128)
        assert loaded.keys() == scorer.keys()
        assert all(torch.equal(loaded[name], scorer[name]) for name in scorer)

    def test_are_found_in_a_checkpoint(self, tmp_path: Path, scorer: dict[str, Tensor]) -> None:
        save_file(self.published(scorer), tmp_path / "model.safetensors")
        assert load_scorer(tmp_path, width=128).keys() == scorer.keys()

    def test_of_another_width_are_refused(self, tmp_path: Path, scorer: dict[str, Tensor]) -> None:
        path = tmp_path / "scorer.safetensors"
        save_file(scorer, path)
        with pytest.raises(ModelError, match=r"width 64 needs .* trained with this encoder"):
            load_scorer(path, width=64)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"mlp.w1.weight": torch.tensor(1.0)}, "holds no|has shape"),
            ({"mlp.w3.bias": torch.full((1,), torch.nan)}, "NaN or infinite weights"),
            ({"mlp.w1.weight": torch.empty(0, 256)}, "has shape"),
        ],
    )
    def test_that_mean_nothing_are_refused(
        self, tmp_path: Path, scorer: dict[str, Tensor], change: dict[str, Tensor], words: str
    ) -> None:
        path = tmp_path / "scorer.safetensors"
        save_file(scorer | change, path)
        with pytest.raises(ModelError, match=words):
            load_scorer(path, width=128)

    def test_an_index_that_is_none_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "model.safetensors.index.json"
        for text in ('{"weight_map": [1]}', '{"weight_map": {"temporal_token_scorer.mlp": 5}}'):
            path.write_text(text)
            with pytest.raises(ModelError, match="does not say which file holds which weight"):
                load_scorer(tmp_path, width=128)

    def test_of_two_in_one_file_none_is_chosen(
        self, tmp_path: Path, scorer: dict[str, Tensor]
    ) -> None:
        path = tmp_path / "two.safetensors"
        mark = "temporal_token_scorer"
        both = [{f"{a}.{mark}.{name}": v.clone() for name, v in scorer.items()} for a in "ab"]
        save_file(both[0] | both[1], path)
        with pytest.raises(ModelError, match="more than one scorer"):
            load_scorer(path, width=128)

    def test_that_lack_a_part_are_refused(self, tmp_path: Path, scorer: dict[str, Tensor]) -> None:
        path = tmp_path / "scorer.safetensors"
        save_file({name: v for name, v in scorer.items() if "w3" not in name}, path)
        with pytest.raises(ModelError, match=r"no whole scorer: mlp\.w3\.bias is missing"):
            load_scorer(path, width=128)

    def test_that_are_no_safetensors_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "scorer.safetensors"
        path.write_bytes(b"nothing")
        with pytest.raises(ModelError, match="not a readable safetensors file"):
            load_scorer(path, width=128)
        with pytest.raises(ModelError, match="does not exist; name a safetensors file"):
            load_scorer(tmp_path / "absent", width=128)

    def test_a_checkpoint_without_one_is_not_read_whole(self, tmp_path: Path) -> None:
        save_file({"model.weight": torch.ones(1)}, tmp_path / "model.safetensors")
        files = LocalFolder(tmp_path, name="plain")
        assert checkpoint_scorer(files, width=128) is None
        with pytest.raises(ModelError, match="holds no scorer"):
            load_scorer(tmp_path, width=128)

    def test_only_the_shards_that_hold_it_are_read(
        self, tmp_path: Path, scorer: dict[str, Tensor]
    ) -> None:
        weights = self.published(scorer)
        save_file(weights, tmp_path / "b.safetensors")  # and no a.safetensors
        names = {"model.weight": "a.safetensors"} | dict.fromkeys(weights, "b.safetensors")
        index = {"weight_map": names}
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
        files = LocalFolder(tmp_path, name="split")
        found = checkpoint_scorer(files, width=128)
        assert found is not None
        assert found.keys() == scorer.keys()
