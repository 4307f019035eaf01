from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch import Tensor

from evscli.cli import run
from evscli.corpus.executors.pruning import Writing
from evscli.corpus.tasks import Task
from evscli.errors import MismatchError, UsageError, VideoError
from evscli.records import Failure, ModelInfo, PrunedVideo, RunConfig, VideoInput
from evscli.store import StoreMerge, StoreWriter, open_store, verify
from evscli.store import quantize as narrow_module
from evscli.store.quantize import STORE_DTYPES, from_float8, quantized, widened
from evscli.store.schema import (
    expected_layout,
    layout_problems,
    resolve_store_dtype,
    token_bytes,
)
from evscli.store.shard import digest, specs
from tests.store.make_v2 import DTYPES, narrow
from tests.store.samples import CONFIG, SETTINGS, model, record

EPS = 2.0**-22
"""Of the float32 products and quotients behind a stored value."""

rows = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(-(2.0**100), 2.0**100, width=32) | st.floats(-1, 1, width=32),
)


def holding(embeds: Tensor, store_dtype: str) -> PrunedVideo:
    """A record as far as narrowing looks at one, in the dtype of `embeds`."""
    name = str(embeds.dtype).removeprefix("torch.")
    info = replace(record().info, model=model(dtype=name), store_dtype=store_dtype)
    return replace(record(), info=info, embeds=embeds)


def there_and_back(embeds: Tensor, store_dtype: str) -> tuple[Tensor, dict[str, Tensor]]:
    """What a reader gets, and what is stored."""
    info, stored = quantized(holding(embeds, store_dtype))
    return widened(info, stored)["embeds"], stored


@settings(deadline=None, max_examples=30)
@given(rows)
def test_int8_is_within_half_a_scale(values: np.ndarray) -> None:  # type: ignore[type-arg]
    embeds = torch.from_numpy(values)
    again, stored = there_and_back(embeds, "int8")
    bound = stored["embeds_scale"][:, None] / 2 + EPS * embeds.abs()
    assert ((again - embeds).abs() <= bound).all()
    assert stored["embeds"].min() >= -127  # symmetric


@settings(deadline=None, max_examples=30)
@given(rows)
def test_float8_is_within_a_sixteenth_or_the_smallest_step(
    values: np.ndarray,  # type: ignore[type-arg]
) -> None:
    embeds = torch.from_numpy(values)
    again, stored = there_and_back(embeds, "float8")
    step = stored["embeds_scale"][:, None] * 2.0**-10
    assert ((again - embeds).abs() <= (embeds.abs() * (2.0**-4 + EPS)).maximum(step)).all()


@pytest.mark.parametrize("store_dtype", ["float8", "int8"])
def test_values_between_two_go_to_the_nearest_and_ties_to_the_even(store_dtype: str) -> None:
    largest = narrow_module.LARGEST[STORE_DTYPES[store_dtype]]  # so that the scale is 1
    values = {
        "int8": ([0.5, 1.5, 2.5, -0.5, 2.51], [0.0, 2.0, 2.0, 0.0, 3.0]),
        "float8": ([17.0, 19.0, 17.1, -17.0, 449.0 / 2], [16.0, 20.0, 18.0, -16.0, 224.0]),
    }
    given_, expected = values[store_dtype]
    again, _ = there_and_back(torch.tensor([[largest, *given_]]), store_dtype)
    assert again.tolist() == [[largest, *expected]]


@pytest.mark.parametrize("store_dtype", ["float8", "int8"])
def test_rows_of_zeros_have_scale_1_and_the_smallest_rows_survive(store_dtype: str) -> None:
    tiny = torch.finfo(torch.float32).smallest_normal
    embeds = torch.tensor([[0.0, -0.0], [tiny, -tiny], [1e-45, 0.0], [3e38, -3e38]])
    again, stored = there_and_back(embeds, store_dtype)
    assert stored["embeds_scale"][0] == 1
    assert again[0].tolist() == [0.0, 0.0]
    assert again.isfinite().all()
    assert torch.allclose(again[3], embeds[3])


@pytest.mark.parametrize("store_dtype", DTYPES)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(store_dtype: str, value: float) -> None:
    with pytest.raises(VideoError, match="video 'clip' has values that are not finite: ") as caught:
        quantized(holding(torch.tensor([[1.0, value], [0.0, 0.0]]), store_dtype))
    assert caught.value.stage == "write"


def test_float16_refuses_what_would_become_infinite() -> None:
    again, _ = there_and_back(torch.tensor([[65504.0, -65504.0]]), "float16")
    assert again.tolist() == [[65504.0, -65504.0]]
    with pytest.raises(VideoError, match="values up to 70,000, beyond what float16 holds"):
        quantized(holding(torch.tensor([[1.0, -70000.0]]), "float16"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("store_dtype", DTYPES)
def test_the_error_is_that_of_what_a_reader_gets(
    store_dtype: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narrow_module, "BLOCK_VALUES", 8)  # blocks of two rows
    made = narrow(store_dtype, dtype=dtype)
    info, stored = quantized(made)
    again = widened(info, stored)
    assert again["embeds"].dtype == again["deepstack"].dtype == dtype
    assert made.deepstack is not None
    values = torch.cat([made.embeds[None], made.deepstack]).double()
    errors = torch.cat([again["embeds"][None], again["deepstack"]]).double() - values
    worst = (errors.norm(dim=-1) / values.norm(dim=-1)).max()
    assert info.store_rms_error == pytest.approx(float(errors.norm() / values.norm()), rel=6e-3)
    assert info.store_max_error == pytest.approx(float(worst), rel=6e-3)


def test_every_float8_is_made_wide_as_torch_does() -> None:
    every = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn)
    known = every.float().isfinite()
    assert torch.equal(from_float8(every)[known], every.float()[known])
    assert int(known.sum()) == 254


def test_making_tokens_narrow_leaves_the_record_as_it_is() -> None:
    made = narrow("int8")
    quantized(made)
    assert torch.equal(made.embeds, narrow("int8").embeds)


@pytest.mark.parametrize("store_dtype", DTYPES)
def test_blocks_change_no_byte(store_dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    info, whole = quantized(narrow(store_dtype))
    monkeypatch.setattr(narrow_module, "BLOCK_VALUES", 1)
    again, parts = quantized(narrow(store_dtype))
    assert again == info
    assert digest(whole) == digest(parts)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of float8 in three small shards."""
    with StoreWriter(tmp_path / "store", CONFIG, shard_videos=1) as writer:
        for name in "abc":
            writer.add(narrow("float8", name, dtype=torch.bfloat16))
    return tmp_path / "store"


def test_readers_get_tokens_in_the_dtype_they_were_computed_in(folder: Path) -> None:
    store = open_store(folder)
    info, stored = quantized(narrow("float8", "b", dtype=torch.bfloat16))
    video = store["b"]
    assert video.info == info
    assert video.embeds.dtype == torch.bfloat16
    assert torch.equal(video.embeds, widened(info, stored)["embeds"])
    assert specs(store.stored("b")) == expected_layout(info, frames=6)
    assert store.stored("b")["embeds"].dtype == torch.float8_e4m3fn


def test_a_merge_copies_stored_bytes(folder: Path) -> None:
    before = {name: digest(open_store(folder).stored(name)) for name in "abc"}
    with StoreMerge(folder) as work:
        assert len(list(work.run())) == 1
    assert {name: digest(open_store(folder).stored(name)) for name in "abc"} == before
    assert list(verify(open_store(folder))) == []


def test_verify_finds_a_changed_scale(folder: Path) -> None:
    scale = open_store(folder).stored("a")["embeds_scale"].numpy().tobytes()
    path = folder / "shard-0-00000.safetensors"
    path.write_bytes(path.read_bytes().replace(scale, scale[::-1]))
    (problem,) = verify(open_store(folder))
    assert (problem.id, "have changed" in problem.message) == ("a", True)


def test_a_lost_scale_and_an_unknown_dtype_are_damage() -> None:
    info, stored = quantized(narrow("float8"))
    found = specs(stored)
    (later,) = layout_problems(replace(info, store_dtype="int4"), found)
    assert later.startswith("key 'store_dtype' is 'int4', not in ('bfloat16', 'float16', ")
    del found["embeds_scale"]
    assert layout_problems(info, found) == ["embeds_scale is missing"]


@pytest.mark.slow
def test_inspect_shows_the_store_dtype_and_what_a_token_takes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", str(folder)], debug=False) == 0
    assert "\ntoken\t24 bytes in float8 (computed: 24 in bfloat16)\n" in capsys.readouterr().out
    assert run(["inspect", str(folder), "a"], debug=False) == 0
    shown = capsys.readouterr().out
    assert "\nstore error\t0.0" in shown
    assert "deepstack_scale F32 [2, " in shown
    assert run(["inspect", str(folder), "--json"], debug=False) == 0
    assert '"store_dtype": "float8"' in capsys.readouterr().out


def test_another_store_dtype_is_another_configuration(folder: Path) -> None:
    selection = {**SETTINGS["selection"], "store_dtype": "int8"}
    config = RunConfig(settings={**SETTINGS, "selection": selection})
    said = 'selection.store_dtype is absent there and "int8" now'
    with pytest.raises(MismatchError, match=said), StoreWriter(folder, config):
        pass


def test_a_video_that_does_not_fit_fails_alone(tmp_path: Path) -> None:
    large = narrow("float16", "large")
    large = replace(large, embeds=large.embeds * 1e6)
    tasks = [
        Task(video=VideoInput(id=name, path=tmp_path / name, root=tmp_path), tries={0: 1})
        for name in ("large", "small")
    ]
    with StoreWriter(tmp_path / "store", CONFIG) as writer, Writing([writer]) as writing:
        list(writing.put(tasks[0], 0, large))
        list(writing.put(tasks[1], 0, narrow("float16", "small")))
        list(writing.rest())
    store = open_store(tmp_path / "store")
    assert list(store) == ["small"]
    failed = store.failures["large"]
    assert isinstance(failed, Failure)
    assert (failed.stage, "beyond what float16 holds" in failed.message) == ("write", True)


def test_the_store_dtype_that_was_computed_is_no_setting() -> None:
    assert resolve_store_dtype("auto", computed="float16") is None
    assert resolve_store_dtype("float16", computed="float16") is None
    assert resolve_store_dtype("float16", computed="bfloat16") == "float16"
    with pytest.raises(UsageError, match="'fp8' is unknown; use one of auto, bfloat16, float16, f"):
        resolve_store_dtype("fp8", computed="float32")


def eight_billion() -> ModelInfo:
    """The sizes of Qwen3-VL-8B."""
    return model(dtype="bfloat16", embed_dim=4096, planes=3)


def test_token_bytes_count_planes_and_scales() -> None:
    assert token_bytes(eight_billion()) == 32 * 1024
    assert token_bytes(eight_billion(), "int8") == token_bytes(eight_billion(), "float8") == 16400
    assert token_bytes(model(), "bfloat16") == 8
