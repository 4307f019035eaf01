"""Ask a method for its selection: check the request first, run it, say what a person should know.

A request is checked without tokens and without torch, so that a wrong option fails before any
work. Knows no formula.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evscli.errors import UsageError
from evscli.pruners.budget import check_budget
from evscli.pruners.budget_rule import BudgetRule, Demand, Fraction
from evscli.pruners.options import check_options, closest, split_assignments
from evscli.pruners.registry import Pruner, get_pruner
from evscli.records import (
    KeptTokens,
    OptionValue,
    PruneInputs,
    VideoInput,
    VideoTokens,
    VideoWindows,
    WindowChoice,
)

WHOLE = Fraction(value=1.0)
_NO_INPUTS = PruneInputs()


class PruneWarning(UserWarning):
    """Something a person should know about a selection that was made as asked."""


@dataclass(frozen=True, kw_only=True)
class PruneRequest:
    """A method with its budget and every option it has a value for, all checked."""

    pruner: Pruner
    budget: BudgetRule
    """What was asked; a `Fraction` once it is settled for one video."""
    options: Mapping[str, OptionValue]
    prune_at: int | None = None
    """The block of the encoder after which to prune; None: after the whole encoder."""
    rule: BudgetRule | None = None
    """What a settled budget follows from, where that was no fraction."""

    @property
    def given(self) -> dict[str, OptionValue]:
        """The options that have a value."""
        return {name: value for name, value in self.options.items() if value is not None}

    @property
    def needs(self) -> frozenset[str]:
        """Which of `PruneInputs` must be given: pixels, query, scorer."""
        return self.pruner.needs_with(self.options)

    @property
    def fraction(self) -> float:
        """The fraction of tokens to keep. Raises UsageError where it depends on the video."""
        if isinstance(self.budget, Fraction):
            return self.budget.value
        raise UsageError(
            f"budget {self.budget} depends on the video: give a fraction such as 0.25 here"
        )

    def for_video(self, demand: Demand, *, seed: int) -> PruneRequest:
        """The same request with the fraction that the budget is for one video."""
        if isinstance(self.budget, Fraction):
            return self
        settled = Fraction(value=self.budget.of(demand, seed))
        return replace(self, budget=settled, rule=self.budget)

    def after_encoder(self) -> PruneRequest:
        """The same request behind the whole encoder, of a method that can choose there."""
        assert self.pruner.inside is None
        return replace(self, prune_at=None)

    def expected_count(self, grid_thw: tuple[int, int, int]) -> int:
        """Tokens the method's rule promises to keep of a grid (T, h, w)."""
        t, h, w = grid_thw
        return self.pruner.expected_count(t, h * w, self.fraction, **self.options)


def check_selection(
    method: str,
    budget: float | BudgetRule | None = None,
    options: Mapping[str, object] | None = None,
    *,
    prune_at: int | None = None,
) -> PruneRequest:
    """The request for `method`, its options typed (values may be text) and defaults filled in.

    `budget` may be left out for a method that keeps everything. Raises UsageError for an unknown
    method or option, a value of the wrong type or range, a budget outside (0, 1], and for
    `prune_at` with a method that cannot choose inside an encoder.
    """
    pruner = get_pruner(method)
    request = PruneRequest(
        pruner=pruner,
        budget=_budget_of(pruner, budget),
        options=check_options(method, pruner.options, options or {}),
        prune_at=_block_of(pruner, prune_at),
    )
    _check_rate_of(request)
    pruner.expected_count(2, 1, _some_fraction(request), **request.options)  # refuses bad values
    return request


def parse_options(method: str, texts: Iterable[str]) -> dict[str, OptionValue]:
    """The options of `method` from texts `name=value`, typed, and its defaults.

    Raises UsageError for text of another form and for what `check_selection` refuses in options.
    """
    return check_options(method, get_pruner(method).options, split_assignments(texts))


def own_options(method: str, given: Mapping[str, str]) -> dict[str, str]:
    """Those of the options `given` that `method` has."""
    own = {option.name for option in get_pruner(method).options}
    return {name: value for name, value in given.items() if name in own}


def refuse_unused(given: Mapping[str, str], methods: Sequence[str]) -> None:
    """Raise UsageError for an option that none of `methods` has."""
    known = [option.name for method in methods for option in get_pruner(method).options]
    for name in given:
        if name not in known:
            choice = f"choose from {', '.join(known)}" if known else "leave it out"
            raise UsageError(
                f"none of the methods {', '.join(methods)} has an option {name!r}"
                f"{closest(name, known)}: {choice}"
            )


def check_given(
    requests: Sequence[PruneRequest], videos: Sequence[VideoInput], *, scorer: str | Path | None
) -> None:
    """Raise UsageError for a question that is needed and missing, or for what no method uses."""
    asking, scoring = (needing(requests, need) for need in ("query", "scorer"))
    asked = any(video.query for video in videos)
    if asking and not asked:
        raise UsageError(f"method {asking!r} needs a question: give it with --query TEXT")
    if asked and not asking:
        raise UsageError("no method here uses a query: leave --query, or the column query, out")
    if scorer is not None and not scoring:
        raise UsageError("no method here uses a scorer: leave --scorer out")


def needing(requests: Sequence[PruneRequest], need: str) -> str | None:
    """The first method that needs something."""
    return next((one.pruner.name for one in requests if need in one.needs), None)


def select_tokens(
    request: PruneRequest, tokens: VideoTokens, inputs: PruneInputs = _NO_INPUTS
) -> KeptTokens:
    """The method's selection; what it has to say stays in `KeptTokens.notes`.

    Raises UsageError where the method needs an input that is not given.
    """
    method = request.pruner.name
    if request.pruner.inside is not None:
        raise UsageError(
            f"method {method!r} works inside a vision encoder and cannot choose among finished "
            "tokens: prune the video with it, or choose another method"
        )
    _check_needs(request, inputs)
    if 0 in tokens.grid_thw:
        raise UsageError(f"there are no tokens in the grid {tokens.grid_thw}: give at least one")
    if tokens.embeds.shape[-1] == 0:
        raise UsageError("the tokens have no values (D is 0): give embeds of shape [T, h, w, D]")
    kept = request.pruner.function(tokens, inputs, request.fraction, **request.options)
    assert isinstance(kept, KeptTokens)
    if tuple(kept.mask.shape) != tokens.grid_thw:
        raise ValueError(f"{method} made a mask {tuple(kept.mask.shape)} for {tokens.grid_thw}")
    return kept


def select_windows(
    request: PruneRequest, windows: VideoWindows, inputs: PruneInputs = _NO_INPUTS
) -> WindowChoice:
    """The method's selection among the windows of a video inside an encoder.

    A method made for tokens sees the patches of a window side by side as one. Raises UsageError
    where it needs an input that is not given.
    """
    _check_needs(request, inputs)
    function = request.pruner.function
    if request.pruner.inside is not None:
        choice = function(windows, inputs, request.fraction, **request.options)
    else:
        tokens = VideoTokens.from_embeds(windows.states.flatten(-2))
        kept = function(tokens, inputs, request.fraction, **request.options)
        assert isinstance(kept, KeptTokens)
        choice = WindowChoice(kept=kept)
    assert isinstance(choice, WindowChoice)
    return choice


def _check_needs(request: PruneRequest, inputs: PruneInputs) -> None:
    method = request.pruner.name
    for need in sorted(request.needs):
        if getattr(inputs, need) is None:
            raise UsageError(f"method {method!r} needs {need}: give it as PruneInputs({need}=...)")


def prune(
    tokens: VideoTokens,
    method: str,
    *,
    budget: float | None = None,
    inputs: PruneInputs = _NO_INPUTS,
    **options: OptionValue,
) -> KeptTokens:
    """Choose which of `tokens` to keep: by `method`, a fraction `budget` in (0, 1] of them.

    `options` are the method's own (`list_pruners()` has them). `mask` and `scores` of the answer
    are on the tokens' device. Notes are emitted as PruneWarning. Raises UsageError for a request
    that cannot be met, and for values that are not finite or too large to score.
    """
    request = check_selection(method, budget, options)
    _check_values(tokens)
    kept = select_tokens(request, tokens, inputs)
    if kept.scores is not None and not kept.scores.isfinite().all():
        raise UsageError(
            f"embeds hold values too large for {method!r}: its scores overflow in float32; "
            "scale the embeds down"
        )
    for note in kept.notes:
        warnings.warn(note, PruneWarning, stacklevel=2)
    return kept


def _block_of(pruner: Pruner, asked: int | None) -> int | None:
    if asked is None:
        return pruner.inside
    if pruner.keeps_all or "query" in pruner.needs:
        reason = "keeps everything" if pruner.keeps_all else "compares finished tokens with words"
        raise UsageError(
            f"method {pruner.name!r} {reason}, so it cannot prune inside the encoder: "
            "leave --prune-at out"
        )
    if isinstance(asked, bool) or not isinstance(asked, int):
        raise UsageError(f"prune_at must be a whole number, got {asked!r}: give a block such as 3")
    if asked < 0:
        raise UsageError(
            f"--prune-at counts the encoder's blocks from 0, got {asked}: give 0 or more"
        )
    return asked


def _check_values(tokens: VideoTokens) -> None:
    """The pipeline checks its encoder's values itself, so `select_tokens` does not pay twice."""
    if not isinstance(tokens, VideoTokens):
        raise UsageError(
            f"tokens must be VideoTokens, got {type(tokens).__name__}: "
            "wrap embeds [T, h, w, D] by VideoTokens.from_embeds(embeds)"
        )
    from evscli.pruners.frames import all_finite

    if not all_finite(tokens.embeds):
        raise UsageError(
            "embeds hold NaN or infinite values: check the encoder that made them, "
            "or run it in float32 if it overflowed in float16"
        )


def _budget_of(pruner: Pruner, budget: float | BudgetRule | None) -> BudgetRule:
    if budget is None and pruner.keeps_all:
        return WHOLE
    if not isinstance(budget, BudgetRule):
        budget = Fraction(value=check_budget(budget))
    if pruner.keeps_all and budget != WHOLE:
        raise UsageError(
            f"method {pruner.name!r} keeps every token, so its budget is 1, got {budget}: "
            "leave the budget out or choose another method"
        )
    return budget


def _check_rate_of(request: PruneRequest) -> None:
    if "pruning_rate" in request.given and not isinstance(request.budget, Fraction):
        raise UsageError(
            f"option pruning_rate is the same for every video, but budget {request.budget} is not: "
            "leave one of them out"
        )


def _some_fraction(request: PruneRequest) -> float:
    """A fraction that the budget may come to, to try the options with."""
    return request.budget.value if isinstance(request.budget, Fraction) else 0.5
