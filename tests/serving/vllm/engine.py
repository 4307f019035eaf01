"""An engine of vLLM beside the same model in transformers, and the comparison of their answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evscli.language.generate import LanguageModel
from evscli.language.prefill import prefill
from evscli.records import PrunedVideo

ANSWER = 6
"""The tokens of an answer that are compared."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reply:
    """The prompt and the answer of a model."""

    prompt: list[int]
    """The token ids of the prompt."""
    tokens: list[int]
    """The token ids of the answer, each the likeliest."""
    logprobs: Tensor
    """[answer, vocabulary] float32."""

    def distance(self, other: Reply) -> float:
        """The largest difference of log-probabilities, as far as the answers are the same."""
        return float((self.logprobs - other.logprobs).abs().max())


@dataclass(frozen=True, kw_only=True, eq=False)
class Engine:
    """An engine in this process, and the language model in transformers."""

    llm: Any
    language: LanguageModel

    @classmethod
    @contextmanager
    def start(cls, model: Path, language: LanguageModel, **options: Any) -> Iterator[Engine]:
        """Start an engine in float32, by default for videos of stores alone."""
        import vllm

        given = {
            "dtype": "float32",
            "enforce_eager": True,
            "max_model_len": 8192,
            "max_num_seqs": 4,
            "limit_mm_per_prompt": {"image": 0, "video": 0, "audio": 0},
            "enable_mm_embeds": True,
            "max_logprobs": -1,
            "logprobs_mode": "raw_logprobs",
            **options,
        }
        llm = vllm.LLM(str(model), **given)
        yield cls(llm=llm, language=language)
        llm.llm_engine.engine_core.shutdown()

    @property
    def model(self) -> Any:
        """The model inside the engine."""
        executor = self.llm.llm_engine.model_executor
        return executor.driver_worker.worker.model_runner.model

    def text(self, question: str, items: Sequence[str] = ("video",)) -> str:
        """The prompt of a question behind visual items."""
        content = [*({"type": item} for item in items), {"type": "text", "text": question}]
        messages = [{"role": "user", "content": content}]
        text: str = self.language.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False
        )
        return text

    def ask_many(self, requests: Sequence[tuple[str, Any]]) -> list[Reply]:
        """Return the answers to prompts about videos, asked at once."""
        from vllm import SamplingParams

        prompts = [{"prompt": text, "multi_modal_data": data} for text, data in requests]
        how = SamplingParams(temperature=0, max_tokens=ANSWER, ignore_eos=True, logprobs=-1)
        replies = []
        for output in self.llm.generate(prompts, how, use_tqdm=False):
            found = output.outputs[0]
            rows = [[row[token].logprob for token in range(len(row))] for row in found.logprobs]
            reply = Reply(
                prompt=list(output.prompt_token_ids),
                tokens=list(found.token_ids),
                logprobs=torch.tensor(rows),
            )
            replies.append(reply)
        return replies

    def ask(self, question: str, *videos: Any) -> Reply:
        """Return the answer to a question about videos."""
        request = self.text(question, ["video"] * len(videos)), {"video": list(videos)}
        return self.ask_many([request])[0]

    def expected(self, question: str, *records: PrunedVideo) -> Reply:
        """Return what transformers answers from `prefill`."""
        model = self.language.model
        inputs = prefill([*records], self.language.tokenizer, question, model=model)
        length = inputs["input_ids"].shape[1]
        prompt = inputs["input_ids"][0].tolist()
        found = model.generate(
            **inputs,
            max_new_tokens=ANSWER,
            do_sample=False,
            eos_token_id=-1,
            output_logits=True,
            return_dict_in_generate=True,
        )
        return Reply(
            prompt=prompt,
            tokens=found.sequences[0, length:].tolist(),
            logprobs=torch.stack([row[0].float().log_softmax(-1) for row in found.logits]),
        )
