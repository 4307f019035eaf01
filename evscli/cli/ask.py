"""`evs ask`: a language model answers a question about a video of a store."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from evscli.bundled import MINI
from evscli.cli import options
from evscli.cli.checks import chosen_id, name_model
from evscli.cli.command import command
from evscli.cli.loading import quiet_loading, say_loading
from evscli.cli.notes import noted_warnings
from evscli.errors import UsageError
from evscli.job.encoding import Device, Dtype, Revision

if TYPE_CHECKING:
    from evscli.language.generate import Answer
    from evscli.records import PrunedVideo
    from evscli.store import Store


@command
def ask(
    store: options.Store,
    words: options.QuestionWords,
    model: options.LanguageModel = None,
    revision: Revision = None,
    budget: options.SmallerBudget = None,
    max_new_tokens: options.MaxNewTokens = 128,
    real_times: options.RealTimes = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    force_model: options.ForceModel = False,
    as_json: options.Json = False,
) -> None:
    """Prefill a language model from a store and print its answer as it comes.

    The default of --model is the model that the store was made with, if its name can be found
    again. The answer goes to standard output, everything else to standard error. A word outside
    the model's vocabulary is refused; `evs models --words` lists those of mini.

    Example: evs ask evs-out/mini-vcast-0.3 "What happens?"
    """
    say_loading(model or "the store's model")
    from evscli.language.generate import answer, load_language_model
    from evscli.language.prefill import prefill
    from evscli.store import open_store

    video, question = choose(open_store(store), words)
    video = video if budget is None else video.at(budget)
    named = model or own_model(video)
    name_model(named)
    quiet_loading()
    language = load_language_model(named, revision=revision, device=device, dtype=dtype)
    with noted_warnings():
        inputs = prefill(
            video,
            language.tokenizer,
            question,
            model=language.model,
            real_times=real_times,
            force=force_model,
        )
    on_text = None if as_json else show
    result = answer(language, inputs, max_new_tokens=max_new_tokens, on_text=on_text)
    if as_json:
        print(json.dumps(as_values(video, question, language.name, result), indent=2))
    else:
        print(flush=True)
        print(summary(video, result), file=sys.stderr)


def choose(store: Store, words: list[str]) -> tuple[PrunedVideo, str]:
    """Return the video and the question that the words after the store's name stand for."""
    if len(words) > 2:
        raise UsageError(f"{len(words)} words after the store: put the question in quotes")
    question = words[-1]
    if not question.strip() or (len(words) == 1 and question in store):
        raise UsageError("there is no question: give it in quotes, after the video's id")
    return store[chosen_id(store, words[0] if words[1:] else None, "before the question")], question


def own_model(video: PrunedVideo) -> str:
    """Return the model that made a video's tokens. Raises UsageError for a folder's name."""
    name = video.info.model.name
    if name != MINI and "/" not in name:
        raise UsageError(
            f"the store was made with a model in a folder called {name!r}, and a store does not "
            "record where that folder is: give it with --model FOLDER"
        )
    return name


def show(text: str) -> None:
    """Print a piece of the answer at once."""
    print(text, end="", flush=True)


def summary(video: PrunedVideo, result: Answer) -> str:
    """Return one line about the cost of an answer."""
    info = video.info
    return (
        f"visual tokens {info.tokens:,} -> {info.kept:,} ({info.retention:.1%}), "
        f"prompt {result.prompt_tokens:,} tokens, "
        f"first token after {result.seconds_to_first_token:.2f} s"
    )


def as_values(video: PrunedVideo, question: str, model: str, result: Answer) -> dict[str, Any]:
    """Return the answer and its cost as JSON values."""
    return {
        "id": video.id,
        "question": question,
        "model": model,
        "answer": result.text,
        "tokens": video.info.tokens,
        "kept": video.info.kept,
        "prompt_tokens": result.prompt_tokens,
        "new_tokens": result.new_tokens,
        "seconds_to_first_token": round(result.seconds_to_first_token, 4),
        "seconds": round(result.seconds, 4),
    }
