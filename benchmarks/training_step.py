"""A step of uptraining: many questions about a video as one row, and the cost of large models.

The first part is measured: a step on procedural videos with mini, with the questions about each
video as one row and one by one. The second is counted, without any arithmetic, for language parts
of the shapes of Qwen3-VL-2B and 8B: operations by torch's counter, and bytes kept for the backward
pass, on tensors without values. Hours follow from an assumed speed, which the page states.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen3VLTextConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextModel

from benchmarks.harness import Benchmark, Report
from evscli.encoders.files import find_model
from evscli.job import Encoding
from evscli.language import ConversationCollator
from evscli.language.generate import load_language_model
from evscli.mini.exam.examples import FilmExamples
from evscli.train.tuning.answers import AnswerInputs, answer_loss

SHAPES = {
    "2B": {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28},
    "8B": {"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36},
}
HEADS = {"2B": 16, "8B": 32}
TOKENS = 4096
"""Tokens of a conversation: 64 frames of 144 tokens pruned to a quarter, and the text."""
CONVERSATIONS = 10_000
SPEED = 400e12
"""The operations a second that are assumed: two fifths of what an H200 states in bfloat16."""
ADAM = 16
"""Bytes of a weight that learns: float32 weight, gradient and two moments."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The cost of one conversation in a step."""

    weights: int
    operations: int
    """Those of the forward and the backward pass, counted."""
    kept: int
    """Bytes kept between the two, in bfloat16, by attention that keeps no matrix."""
    inputs: int
    """Bytes kept where layers are computed again: their inputs."""


def count(name: str, tokens: int) -> Counted:
    """Count a step of a language part on tensors without values."""
    config = Qwen3VLTextConfig(
        **SHAPES[name],
        num_attention_heads=HEADS[name],
        num_key_value_heads=8,
        head_dim=128,
        vocab_size=1024,  # logits are computed for answers alone
    )
    with torch.device("meta"):
        model = Qwen3VLTextModel._from_config(config, dtype=torch.bfloat16)
        embeds = torch.empty(1, tokens, config.hidden_size, dtype=torch.bfloat16)
        positions = torch.empty(3, 1, tokens, dtype=torch.int64)
    embeds.requires_grad_()
    kept: dict[int, int] = {}
    own = {id(weight) for weight in model.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        square = tensor.shape[-2:] == (tokens, tokens)
        if id(tensor) not in own and not isinstance(tensor, nn.Parameter) and not square:
            kept[id(tensor)] = tensor.numel() * tensor.element_size()
        held.append(tensor)  # an id is not given to another one meanwhile
        return tensor

    held: list[Tensor] = []
    with FlopCounterMode(display=False) as counter, saved_tensors_hooks(keep, lambda x: x):
        states: Any = model(inputs_embeds=embeds, position_ids=positions, use_cache=False)
        states.last_hidden_state.sum().backward()
    layers = sum(weight.numel() for weight in model.layers.parameters())
    return Counted(
        weights=layers,
        operations=counter.get_total_flops(),
        kept=sum(kept.values()),
        inputs=2 * tokens * SHAPES[name]["hidden_size"] * SHAPES[name]["num_hidden_layers"],
    )


def step_seconds(steps: int, conversations: int) -> dict[str, float]:
    """Return the median seconds of a step with mini, with joined rows and one by one."""
    examples = FilmExamples(encoding=Encoding(dtype="float32", device="cpu"), seed=0)
    loaded = load_language_model(find_model("mini"), device="cpu", dtype="float32")
    taken = [examples.take(step, conversations).examples for step in range(steps + 1)]
    found: dict[str, list[float]] = {"joined": [], "single": []}
    for number, some in enumerate(taken):
        for name, seconds in found.items():
            collate = ConversationCollator(
                loaded.tokenizer, model=loaded.model, joined=name == "joined"
            )
            answers = AnswerInputs.of(collate(some))
            began = time.perf_counter()
            answer_loss(loaded.model, answers, torch.device("cpu")).backward()  # type: ignore[no-untyped-call]
            if number:  # the first makes memory and kernels
                seconds.append(time.perf_counter() - began)
            loaded.model.zero_grad()
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def measure(*, steps: int = 15, conversations: int = 16, tokens: int = TOKENS) -> Report:
    """Measure `steps` steps of `conversations`, and count one conversation of `tokens`."""
    seconds = step_seconds(steps, conversations)
    counted = {name: count(name, tokens) for name in SHAPES}
    hours = {name: CONVERSATIONS * one.operations / SPEED / 3600 for name, one in counted.items()}
    full = {name: (ADAM * one.weights + one.inputs) / 1e9 for name, one in counted.items()}
    lora = {name: (2 * one.weights + one.inputs) / 1e9 for name, one in counted.items()}
    rows = "\n".join(
        f"| {name} | {one.weights / 1e9:.1f}e9 | {one.operations / 1e12:.0f}e12 | "
        f"{one.kept / 1e9:.0f} GB | {one.inputs / 1e9:.1f} GB | {full[name]:.0f} GB | "
        f"{lora[name]:.0f} GB | {hours[name]:.1f} |"
        for name, one in counted.items()
    )
    ratio = seconds["single"] / seconds["joined"]
    return Report(
        title="A step of uptraining",
        body=(
            f"{conversations} questions about procedural videos, all tokens, mini in float32, the "
            f"median of {steps} steps: {seconds['joined']:.2f} s with the questions about a video "
            f"as one row, {seconds['single']:.2f} s one by one ({ratio:.1f} times).\n\n"
            f"Counted for one conversation of {tokens:,} tokens, without the embedding table: the "
            "weights of the layers, operations of a forward and backward pass, bytes kept between "
            "the two in bfloat16 by attention that keeps no matrix, those kept with `--recompute`, "
            "memory with it and AdamW in float32 on all weights, or with adapters beside bfloat16 "
            f"ones, and hours for {CONVERSATIONS:,} conversations at an assumed "
            f"{SPEED / 1e12:.0f}e12 operations a second, two fifths of what an H200 states, a "
            "third more of them with `--recompute`. Nothing of this table was run.\n\n"
            "| layers of | weights | operations | kept | recomputed | all learn | adapters |"
            f" hours |\n|---|---:|---:|---:|---:|---:|---:|---:|\n{rows}"
        ),
        figures={
            "joined s": seconds["joined"],
            "single s": seconds["single"],
            "ratio": ratio,
            **{
                f"{name} {what}": values[name]
                for name in SHAPES
                for what, values in (("hours", hours), ("full GB", full), ("lora GB", lora))
            },
        },
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"steps": 1, "conversations": 2, "tokens": 64},
    code=("language/joined.py", "language/prefill.py", "train/tuning/answers.py"),
    minutes=3,
)
