"""Masks equal those of the public reference implementations, token for token."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from evscli.pruners import check_selection, select_tokens
from evscli.pruners.methods.vidcom2 import frame_shares
from evscli.pruners.ops.likeness import likeness
from evscli.pruners.ops.outliers import curvature, frame_directions_and_scores
from evscli.records import KeptTokens, OptionValue, VideoTokens

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
EVS = sorted(GOLDEN.glob("evs_*.safetensors"))
VCAST = sorted(GOLDEN.glob("vcast_*.safetensors"))
VIDCOM2 = sorted(GOLDEN.glob("vidcom2_*.safetensors"))
VIDCOM2_EXACT = sorted(GOLDEN.glob("vidcom2exact_*.safetensors"))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def select(embeds: Tensor, method: str, budget: float, **options: OptionValue) -> KeptTokens:
    request = check_selection(method, budget, options)
    return select_tokens(request, VideoTokens.from_embeds(embeds))


def test_the_golden_files_are_here() -> None:
    assert [len(files) for files in (EVS, VCAST, VIDCOM2, VIDCOM2_EXACT)] == [6, 6, 2, 2]


@pytest.mark.parametrize("path", EVS, ids=lambda path: path.stem)
def test_evs_keeps_the_tokens_of_the_serving_engine(path: Path) -> None:
    tensors, parameters = read(path)
    rate = float(parameters["pruning_rate"])
    kept = select(tensors["embeds"], "evs", 1 - rate, pruning_rate=rate)
    assert torch.equal(kept.mask, tensors["keep"])
    assert kept.expected == kept.count


@pytest.mark.parametrize("path", VCAST, ids=lambda path: path.stem)
def test_vcast_keeps_the_tokens_of_the_authors(path: Path) -> None:
    tensors, parameters = read(path)
    kept = select(
        tensors["embeds"],
        "vcast",
        float(parameters["retain_ratio"]),
        tau=float(parameters["temperature"]),
        min_k=int(parameters["min_tokens_per_frame"]),
    )
    assert torch.equal(kept.mask, tensors["keep"])
    assert torch.equal(kept.mask.sum(dim=(1, 2)), tensors["frame_budget"])
    assert kept.expected == kept.count


@pytest.mark.parametrize("path", VCAST, ids=lambda path: path.stem)
def test_vcast_curvature_is_that_of_the_authors(path: Path) -> None:
    tensors, _ = read(path)
    directions, _ = frame_directions_and_scores(tensors["embeds"])
    torch.testing.assert_close(curvature(directions), tensors["curvature"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("path", VIDCOM2, ids=lambda path: path.stem)
def test_vidcom2_keeps_the_tokens_of_the_authors(path: Path) -> None:
    tensors, parameters = read(path)
    budget = float(parameters["retain_ratio"])
    kept = select(tensors["embeds"], "vidcom2", budget, exact=False)
    assert torch.equal(kept.mask, tensors["keep"])
    assert kept.expected == kept.count
    to_video, to_frame = likeness(tensors["embeds"])
    shares = frame_shares(to_video, budget)
    near = {"atol": 1e-4, "rtol": 0}
    torch.testing.assert_close(to_video, tensors["video_score"].view_as(to_video), **near)
    torch.testing.assert_close(to_frame, tensors["frame_score"].view_as(to_frame), **near)
    torch.testing.assert_close(shares, tensors["frame_ratio"], **near)


@pytest.mark.parametrize("path", VIDCOM2_EXACT, ids=lambda path: path.stem)
def test_exact_vidcom2_keeps_the_tokens_of_the_serving_engine(path: Path) -> None:
    tensors, parameters = read(path)
    rate = float(parameters["pruning_rate"])
    kept = select(tensors["embeds"], "vidcom2", 1 - rate, pruning_rate=rate)
    assert torch.equal(kept.mask, tensors["keep"])
    assert kept.expected == kept.count


@pytest.mark.parametrize("path", [EVS[1], VCAST[1], VIDCOM2_EXACT[1]], ids=lambda path: path.stem)
def test_a_golden_mask_does_not_depend_on_the_chunk_length(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors, parameters = read(path)
    method = path.stem.split("_")[0].removesuffix("exact")
    rate = float(parameters.get("pruning_rate", 0.5))
    budget = float(parameters.get("retain_ratio", 1 - rate))
    for frames in (1, 2, 3):
        values = frames * tensors["embeds"][0].numel()
        monkeypatch.setattr("evscli.pruners.ops.frames._CACHED_VALUES", values)
        assert torch.equal(select(tensors["embeds"], method, budget).mask, tensors["keep"])
