"""Multiple-choice questions about pruned videos, asked of a checkpoint.

Every video is decoded and encoded once, pruned by every selection, and every question is asked of
each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from evscli.corpus.tasks import failure_of
from evscli.encoders import VideoEncoder
from evscli.encoders.digest import json_digest
from evscli.encoders.load import BY_CHECKPOINT
from evscli.errors import UsageError, VideoError
from evscli.evaluation.questions.choices import Choice, by_video
from evscli.evaluation.questions.options import best_option, encode_options, score_options
from evscli.evaluation.questions.selecting import SelectedVideo, Selecting
from evscli.evaluation.statistics.results import Answered, Evaluation
from evscli.job import Encoding
from evscli.job.loading import make_encoder
from evscli.language.generate import LanguageModel, enough_memory, load_language_model
from evscli.language.prefill import prefill
from evscli.language.words import check_texts
from evscli.pipeline import plan_video
from evscli.records import PrunedVideo, Sampling, VideoInput
from evscli.video_errors import video_errors


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedCheckpoint:
    """The vision side and the language side of one checkpoint."""

    encoder: VideoEncoder
    language: LanguageModel


def load_both(encoding: Encoding, sampling: Sampling = BY_CHECKPOINT) -> LoadedCheckpoint:
    """Load a checkpoint's vision and language side. Raises what the two loaders raise."""
    files, device, dtype = encoding.files, encoding.device, encoding.dtype
    encoder = make_encoder(encoding, sampling, device)
    return LoadedCheckpoint(
        encoder=encoder, language=load_language_model(files, device=device, dtype=dtype)
    )


def evaluate_choices(
    choices: Sequence[Choice],
    checkpoint: LoadedCheckpoint,
    selecting: Selecting,
    *,
    per_token: bool = False,
    num_frames: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Ask every question of every selection of its video.

    The option with the highest log-likelihood is the answer, with `per_token` its mean over the
    option's tokens. Random methods draw anew for every video. `num_frames` is the number of frames
    that the checkpoint's encoder samples, where several numbers are compared. `advance` is called
    with the number of answers that were given, or given up, since its last call, of
    `len(choices) * len(selecting.requests)`. A video that fails is recorded and counts for no
    selection.

    Raises UsageError before any video is opened where the tokenizer cannot read a text as typed.
    """
    selecting.check(checkpoint.encoder)
    for choice in choices:
        check_choice(choice, checkpoint)
    answered: list[Answered] = []
    failures = []
    for asked in by_video(choices):
        video = VideoInput(id=asked[0].video, path=asked[0].path, root=asked[0].path.parent)
        answers: list[tuple[int, Answered]] = []
        try:
            for number, group in ask_video(video, asked, checkpoint, selecting, per_token):
                answers += [(number, replace(one, num_frames=num_frames)) for one in group]
                advance(len(group))
        except VideoError as error:
            failures.append(failure_of(video, error))
            advance(len(asked) * len(selecting.requests) - len(answers))
        else:
            answered += [answer for _, answer in sorted(answers, key=itemgetter(0))]
    return Evaluation(answered=tuple(answered), failures=tuple(failures))


def check_choice(choice: Choice, checkpoint: LoadedCheckpoint) -> None:
    """Raise UsageError where the tokenizer would not read the question or an option as typed."""
    tokenizer = checkpoint.language.tokenizer
    try:
        check_texts(tokenizer, [choice.question, *choice.options])
        encode_options(tokenizer, choice.options)
    except UsageError as error:
        raise UsageError(f"{choice.where}: {error}") from None


def ask_video(
    video: VideoInput,
    asked: Sequence[Choice],
    checkpoint: LoadedCheckpoint,
    selecting: Selecting,
    per_token: bool,
) -> Iterator[tuple[int, list[Answered]]]:
    """Yield answers with the number of the selection that they are about. Raises VideoError."""
    planned = plan_video(video, checkpoint.encoder)
    selected = SelectedVideo.decoded(planned, checkpoint.encoder, selecting)
    for one in selected.selections([choice.question for choice in asked]):
        with video_errors("answer", video):
            answers = [
                ask(one.record, asked[number], checkpoint.language, per_token)
                for number in one.questions
            ]
        yield one.number, answers


def ask(record: PrunedVideo, choice: Choice, language: LanguageModel, per_token: bool) -> Answered:
    """Ask one question of a pruned video."""
    options = encode_options(language.tokenizer, choice.options)
    with enough_memory(language.model.device, f"for {record.info.kept:,} visual tokens"):
        inputs = prefill(record, language.tokenizer, choice.question, model=language.model)
        scores = score_options(language.model, inputs, options)
    return Answered.of(
        record,
        video=choice.video,
        kind=choice.kind,
        correct=best_option(scores, options, per_token=per_token) == choice.answer,
        options=len(choice.options),
    )


def asked_of(choices: Sequence[Choice], *, per_token: bool) -> dict[str, Any]:
    """Return the questions and the way options were scored, as JSON values."""
    asked = [[c.video, c.question, c.options, c.answer, c.kind] for c in choices]
    return {
        "questions": len(choices),
        "questions_sha256": json_digest(asked),
        "videos": len({choice.video for choice in choices}),
        "option_score": "mean log-likelihood" if per_token else "log-likelihood",
    }
