"""The run of a method, with checks of its inputs and of its selection."""

from __future__ import annotations

import warnings

from evscli.errors import MethodError, UsageError
from evscli.pruners.registry import Method
from evscli.pruners.request import PruneRequest, check_selection
from evscli.records import (
    KeptTokens,
    OptionValue,
    PruneInputs,
    VideoTokens,
    VideoWindows,
    WindowChoice,
)

_NO_INPUTS = PruneInputs()


class PruneWarning(UserWarning):
    """A note about a selection that was made as asked."""


def select_tokens(
    request: PruneRequest, tokens: VideoTokens, inputs: PruneInputs = _NO_INPUTS
) -> KeptTokens:
    """Return the method's selection, with its remarks in `KeptTokens.notes`.

    Raises UsageError where the method needs an input that is not given, and MethodError where it
    does not keep what it promised.
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
    import torch

    try:
        kept = request.choose(tokens, inputs)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        raise _too_large(method) from None
    return _as_promised(request, kept, tokens.grid_thw)


def select_windows(
    request: PruneRequest, windows: VideoWindows, inputs: PruneInputs = _NO_INPUTS
) -> WindowChoice:
    """Return the method's selection among the windows of a video inside an encoder.

    A method made for tokens gets the patches of a window side by side as one token. Raises as
    `select_tokens` does.
    """
    _check_needs(request, inputs)
    if request.pruner.inside is None:
        tokens = VideoTokens.from_embeds(windows.states.flatten(-2))
        kept = _as_promised(request, request.choose(tokens, inputs), windows.grid_thw)
        return WindowChoice(kept=kept)
    choice = request.choose(windows, inputs)
    if not isinstance(choice, WindowChoice):
        raise _wrong_answer(request, choice, WindowChoice)
    _as_promised(request, choice.kept, windows.grid_thw)
    return choice


def _as_promised(request: PruneRequest, kept: object, grid_thw: tuple[int, int, int]) -> KeptTokens:
    """Return the result of a method where it is a selection of the number it must have."""
    method = request.pruner.name
    if not isinstance(kept, KeptTokens):
        raise _wrong_answer(request, kept, KeptTokens)
    shape, dtype = tuple(kept.mask.shape), str(kept.mask.dtype)
    if shape != grid_thw or dtype != "torch.bool":
        raise MethodError(
            f"method {method!r} made a mask {shape} of {dtype} for a grid {grid_thw}: "
            "let it return a mask [T, h, w] of torch.bool"
        )
    count = kept.count
    for promised in request.promised(kept, grid_thw) - {count}:
        raise MethodError(
            f"method {method!r} promised {promised:,} of {kept.mask.numel():,} tokens and kept "
            f"{count:,}: mend its rule, or the count that it states"
        )
    nested = request.count_rule(grid_thw[1] * grid_thw[2]) is not None
    if nested and (kept.order is None or not (kept.order < count).equal(kept.mask)):
        raise MethodError(
            f"method {method!r} declares nested masks and did not keep the first {count:,} tokens "
            "of an order: let it return KeptTokens(order=...), places [T, h, w] from 0"
        )
    return kept


def _wrong_answer(request: PruneRequest, given: object, wanted: type) -> MethodError:
    return MethodError(
        f"method {request.pruner.name!r} gave a {type(given).__name__}, not a {wanted.__name__}: "
        f"let it return a {wanted.__name__}"
    )


def _check_needs(request: PruneRequest, inputs: PruneInputs) -> None:
    method = request.pruner.name
    for need in sorted(request.needs):
        if getattr(inputs, need) is None:
            raise UsageError(f"method {method!r} needs {need}: give it as PruneInputs({need}=...)")


def prune(
    tokens: VideoTokens,
    method: Method,
    *,
    budget: float | None = None,
    inputs: PruneInputs = _NO_INPUTS,
    **options: OptionValue,
) -> KeptTokens:
    """Choose which of `tokens` to keep: by `method`, a fraction `budget` in (0, 1] of them.

    `method` is a name, a `Pruner`, or a function `(tokens, inputs, budget, *, options)` that
    returns `KeptTokens`. `options` are the method's own (`list_pruners()` has them). `mask` and
    `scores` of the result are on the tokens' device. Notes are emitted as PruneWarning. Raises
    UsageError for a request that cannot be met, and for values that are not finite or too large to
    score, and MethodError where the method does not keep the number it must.
    """
    request = check_selection(method, budget, options)
    _check_values(tokens)
    kept = select_tokens(request, tokens, inputs)
    if kept.scores is not None and not kept.scores.isfinite().all():
        raise _too_large(request.pruner.name)
    for note in kept.notes:
        warnings.warn(note, PruneWarning, stacklevel=2)
    return kept


def _too_large(method: str) -> UsageError:
    return UsageError(
        f"embeds hold values too large for {method!r}: its scores overflow in float32; scale the "
        "embeds down"
    )


def _check_values(tokens: VideoTokens) -> None:
    """Raise UsageError for other than finite tokens. The pipeline checks its encoder's itself."""
    if not isinstance(tokens, VideoTokens):
        raise UsageError(
            f"tokens must be VideoTokens, got {type(tokens).__name__}: "
            "wrap embeds [T, h, w, D] by VideoTokens.from_embeds(embeds)"
        )
    from evscli.pruners.ops.frames import all_finite

    if not all_finite(tokens.embeds):
        raise UsageError(
            "embeds hold NaN or infinite values: check the encoder that made them, "
            "or run it in float32 if it overflowed in float16"
        )
