"""Models as people load them: wrapped, adapted, offloaded, quantised."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, PreTrainedModel

from evscli.errors import UsageError, WrongModelError
from evscli.language.prefill import prefill
from evscli.language.wrapped import device_of
from evscli.records import PrunedVideo
from tests.checkpoints import make_checkpoint, make_model
from tests.language.reference import make_clip, make_record

QUESTION = "what happens first?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("made") / "tiny", "qwen3_vl")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of other weights."""
    return make_checkpoint(tmp_path_factory.mktemp("made") / "other", "qwen3_vl", seed=1)


@pytest.fixture(scope="module")
def record(folder: Path) -> PrunedVideo:
    model = load(folder)
    return make_record(model, make_clip(model))


@cache
def loaded(folder: Path) -> PreTrainedModel:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


def load(folder: Path) -> PreTrainedModel:
    """A model of its own, copied from one that was read from `folder` before."""
    return copy.deepcopy(loaded(folder))


@cache
def made(seed: int) -> PreTrainedModel:
    return make_model("qwen3_vl", seed=seed)


def nameless(seed: int = 0) -> PreTrainedModel:
    """The model of the checkpoint, or another of its kind; neither says where it is from."""
    return copy.deepcopy(made(seed))


class Adapted(nn.Module):
    """A linear layer with an adapter, as PEFT names its parts."""

    def __init__(self, base_layer: nn.Linear) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.lora_A = nn.ModuleDict({"default": nn.Linear(base_layer.in_features, 2, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(2, base_layer.out_features, bias=False)})
        nn.init.zeros_(self.lora_B["default"].weight)


class Copied(nn.Module):
    """A module with a trained copy, as PEFT names its parts."""

    def __init__(self, original_module: nn.Module, copy: nn.Module) -> None:
        super().__init__()
        self.original_module = original_module
        self.modules_to_save = nn.ModuleDict({"default": copy})


class Holder(nn.Module):
    """Whatever keeps a model under a name of its own."""

    def __init__(self, model: nn.Module, name: str) -> None:
        super().__init__()
        setattr(self, name, model)


class Integers(nn.Module):
    """A linear layer whose weights are whole numbers, as GPTQ, AWQ and bitsandbytes store them."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.register_buffer("qweight", torch.zeros(linear.weight.shape, dtype=torch.int8))
        self.scales = nn.Parameter(torch.ones(linear.out_features))


class Packed(Tensor):
    """A tensor that passes for a floating one, as torchao stores them."""


def packed(linear: nn.Linear) -> nn.Linear:
    linear.weight = nn.Parameter(linear.weight.detach().as_subclass(Packed))
    return linear


def narrow(linear: nn.Linear) -> nn.Linear:
    linear.weight = nn.Parameter(
        linear.weight.detach().to(torch.float8_e4m3fn), requires_grad=False
    )
    return linear


def replace_linears(part: nn.Module, change: Callable[[nn.Linear], nn.Module]) -> None:
    for parent in [*part.modules()]:
        for name, child in [*parent.named_children()]:
            if isinstance(child, nn.Linear):
                setattr(parent, name, change(child))


def adapt(model: PreTrainedModel) -> nn.Module:
    replace_linears(model, Adapted)
    return Holder(Holder(model, "model"), "base_model")


def keep_a_copy(model: PreTrainedModel) -> nn.Module:
    merger = model.model.visual.merger
    model.model.visual.merger = Copied(nn.Linear(1, 1), merger)
    return model


def checkpointed(model: PreTrainedModel) -> nn.Module:
    blocks = model.model.visual.blocks
    for number, block in enumerate(blocks):
        blocks[number] = Holder(block, "_checkpoint_wrapped_module")
    return model


def compiled(model: nn.Module) -> nn.Module:
    return torch.compile(model, backend="eager")


def compile_the_tower(model: PreTrainedModel) -> nn.Module:
    model.model.visual = compiled(model.model.visual)
    return model


WRAPPERS: dict[str, Callable[[PreTrainedModel], nn.Module]] = {
    "torch.compile": compiled,
    "torch.compile of the tower": compile_the_tower,
    "DataParallel": nn.DataParallel,
    "DistributedDataParallel": lambda model: Holder(model, "module"),
    "PEFT": adapt,
    "PEFT around torch.compile": lambda model: compiled(adapt(model)),
    "PEFT with a saved copy": keep_a_copy,
    "activation checkpointing": checkpointed,
}


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(wrap, id=name, marks=pytest.mark.slow if "torch.compile" in name else [])
        for name, wrap in WRAPPERS.items()
    ],
)
def test_a_wrapped_model_is_seen_through(
    wrap: Callable[[PreTrainedModel], nn.Module], record: PrunedVideo, tokenizer: Any
) -> None:
    prefill(record, tokenizer, QUESTION, model=wrap(nameless()))
    with pytest.raises(WrongModelError):
        prefill(record, tokenizer, QUESTION, model=wrap(nameless(seed=1)))


def test_a_trained_adapter_of_the_tower_makes_it_another(
    record: PrunedVideo, tokenizer: Any
) -> None:
    model = nameless()
    adapted = adapt(model)
    with torch.no_grad():
        model.model.language_model.layers[0].mlp.up_proj.lora_B["default"].weight.fill_(0.3)
    prefill(record, tokenizer, QUESTION, model=adapted)
    model = nameless()
    adapted = adapt(model)
    with torch.no_grad():
        model.model.visual.blocks[0].mlp.linear_fc1.lora_B["default"].weight.fill_(0.3)
    with pytest.raises(WrongModelError):
        prefill(record, tokenizer, QUESTION, model=adapted)


QUANTISERS: dict[str, Callable[[nn.Linear], nn.Module]] = {
    "whole numbers": Integers,
    "subclass of Tensor": packed,
    "float8": narrow,
}


@pytest.mark.parametrize("quantise", QUANTISERS.values(), ids=QUANTISERS)
def test_a_quantised_language_part_beside_a_whole_tower_passes(
    quantise: Callable[[nn.Linear], nn.Module], record: PrunedVideo, tokenizer: Any
) -> None:
    model = nameless()
    replace_linears(model.model.language_model, quantise)
    prefill(record, tokenizer, QUESTION, model=model)
    other = nameless(seed=1)
    replace_linears(other.model.language_model, quantise)
    with pytest.raises(WrongModelError, match="not this model's"):
        prefill(record, tokenizer, QUESTION, model=other)


@pytest.mark.parametrize("quantise", QUANTISERS.values(), ids=QUANTISERS)
def test_a_quantised_tower_passes_only_if_its_checkpoint_is_the_one(
    quantise: Callable[[nn.Linear], nn.Module],
    folder: Path,
    other: Path,
    record: PrunedVideo,
    tokenizer: Any,
) -> None:
    model = load(folder)
    replace_linears(model, quantise)
    prefill(record, tokenizer, QUESTION, model=model)
    unknown = nameless()
    replace_linears(unknown, quantise)
    with pytest.raises(WrongModelError, match=r"vision weights .* quantised.*--force-model"):
        prefill(record, tokenizer, QUESTION, model=unknown)
    with pytest.warns(UserWarning, match="quantised.*going on as force was given"):
        prefill(record, tokenizer, QUESTION, model=unknown, force=True)
    wrong = load(other)
    replace_linears(wrong, quantise)
    with pytest.raises(WrongModelError, match="not this model's"):
        prefill(record, tokenizer, QUESTION, model=wrong)


def offload(model: PreTrainedModel) -> nn.Module:
    model.model.visual.to("meta")
    return model


def shard(model: PreTrainedModel) -> nn.Module:
    """As FSDP does: a process has a piece of each weight."""
    for weight in model.model.visual.parameters():
        weight.data = weight.detach().flatten()[:1]
    return Holder(model, "_fsdp_wrapped_module")


def partition(model: PreTrainedModel) -> nn.Module:
    """As DeepSpeed's third stage does."""
    for weight in model.model.visual.parameters():
        weight.data = torch.empty(0)
    return model


@pytest.mark.parametrize(
    "move", [offload, *(pytest.param(move, marks=pytest.mark.slow) for move in (shard, partition))]
)
def test_weights_that_are_not_at_hand_are_those_of_the_checkpoint(
    move: Callable[[PreTrainedModel], nn.Module],
    folder: Path,
    other: Path,
    record: PrunedVideo,
    tokenizer: Any,
) -> None:
    prefill(record, tokenizer, QUESTION, model=move(load(folder)))
    with pytest.raises(WrongModelError):
        prefill(record, tokenizer, QUESTION, model=move(load(other)))
    with pytest.warns(UserWarning, match="not checked.*: they are offloaded or sharded"):
        prefill(record, tokenizer, QUESTION, model=move(nameless()))


def test_inputs_go_where_an_offloaded_model_takes_them(
    folder: Path, record: PrunedVideo, tokenizer: Any
) -> None:
    """Not to the meta device, where their values would be lost."""
    model = load(folder)
    first = next(model.parameters())
    assert first is model.model.visual.patch_embed.proj.weight
    offload(model)
    inputs = prefill(record, tokenizer, QUESTION, model=model)
    assert inputs["input_ids"].device.type == "cpu"
    model.to("meta")
    assert device_of(model).type == "cpu"
    model.lm_head._hf_hook = SimpleNamespace(execution_device="cuda:3")
    assert device_of(model) == torch.device("cuda", 3)


def test_a_module_that_is_no_model_is_refused(record: PrunedVideo, tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="loaded model of transformers, not Linear"):
        prefill(record, tokenizer, QUESTION, model=nn.Linear(1, 1))
