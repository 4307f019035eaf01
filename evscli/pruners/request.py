"""A method with its budget and options, all checked before any work and without torch.

Options and inputs that a person gave for several methods are checked against all of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evscli.budget import BudgetRule, CountRule, Demand, Fraction, check_budget
from evscli.errors import UsageError
from evscli.pruners.method import Pruner
from evscli.pruners.options import check_options, closest
from evscli.pruners.places import place_of
from evscli.pruners.registry import Method, pruner_of
from evscli.records import (
    KeptTokens,
    OptionValue,
    PruneAt,
    PruneInputs,
    VideoTokens,
    VideoWindows,
    place_text,
)

WHOLE_BUDGET = Fraction(value=1.0)


@dataclass(frozen=True, kw_only=True)
class PruneRequest:
    """A method with its budget and every option it has a value for, all checked."""

    pruner: Pruner
    budget: BudgetRule
    """The budget as it was given. It is a `Fraction` once it is settled for one video."""
    options: Mapping[str, OptionValue]
    prune_at: PruneAt | None = None
    """The block of the encoder after which to prune, or `input` to do it before the first. None is
    after the whole encoder."""
    rule: BudgetRule | None = None
    """The rule that a settled budget follows from, where it was not a fraction."""

    @property
    def needs(self) -> frozenset[str]:
        """The fields of `PruneInputs` that must be given: pixels, query, scorer."""
        by_option = self.pruner.needs_by_option.items()
        return self.pruner.needs | {
            need for (name, value), need in by_option if self.options.get(name) == value
        }

    @property
    def fraction(self) -> float:
        """The fraction of tokens to keep. Raises UsageError where it depends on the video."""
        if isinstance(self.budget, Fraction):
            return self.budget.value
        raise UsageError(
            f"budget {self.budget} depends on the video: give a fraction such as 0.25 here"
        )

    @property
    def named_budget(self) -> float | str:
        """The budget as it was asked for: a fraction, or a text such as `256tok`."""
        if self.rule is None and isinstance(self.budget, Fraction):
            return self.budget.value
        return str(self.rule or self.budget)

    @property
    def name(self) -> str:
        """The name without the budget: the method, and what is unusual of options and place."""
        unusual = self.pruner.unusual(self.options).items()
        usual = self.prune_at is None or self.prune_at == self.pruner.inside
        place = [] if usual or self.prune_at is None else [place_text(self.prune_at)]
        return " ".join([self.pruner.name, *(f"{name}={value}" for name, value in unusual), *place])

    def for_video(self, demand: Demand, *, seed: int) -> PruneRequest:
        """Return this request with the fraction that the budget is for one video."""
        if isinstance(self.budget, Fraction):
            return self
        settled = Fraction(value=self.budget.of(demand, seed))
        return replace(self, budget=settled, rule=self.budget)

    def after_encoder(self) -> PruneRequest:
        """Return this request behind the whole encoder, of a method that can choose there."""
        assert self.pruner.inside is None
        return replace(self, prune_at=None)

    def expected_count(self, grid_thw: tuple[int, int, int]) -> int:
        """Return the number of tokens that the method keeps of a grid (T, h, w), by its rule."""
        t, h, w = grid_thw
        return self.pruner.count(t, h * w, self.fraction, self.options)

    def count_rule(self, cells: int) -> CountRule | None:
        """Return the rule of the count for patches of `cells` tokens, where masks are nested.

        Before an encoder, or inside it, the tokens depend on the mask, so there is none.
        """
        pruner = self.pruner
        if pruner.nested is None or self.prune_at is not None:
            return None
        rule: CountRule | None = pruner.answer(pruner.nested, cells, options=self.options)
        return rule

    def choose(self, video: VideoTokens | VideoWindows, inputs: PruneInputs) -> object:
        """Return the result of the method's rule for a video's tokens or windows, of any type."""
        pruner = self.pruner
        return pruner.answer(pruner.function, video, inputs, self.fraction, options=self.options)

    def promised(self, kept: KeptTokens, grid_thw: tuple[int, int, int]) -> set[int]:
        """Return the numbers of tokens that a selection may have, by its rule and by itself."""
        pruner = self.pruner
        if pruner.content_decides_by_option & pruner.unusual(self.options).keys():
            return set()  # an option leaves the number to the content
        stated = {kept.expected}
        return stated if pruner.content_decides else {*stated, self.expected_count(grid_thw)}


def check_selection(
    method: Method,
    budget: float | BudgetRule | None = None,
    options: Mapping[str, object] | None = None,
    *,
    prune_at: PruneAt | None = None,
) -> PruneRequest:
    """Return the request for `method`, its options typed (values may be text), defaults filled in.

    `method` is a name, a `Pruner`, or a function `(tokens, inputs, budget, *, options)` that
    returns `KeptTokens`. `budget` may be left out for a method that keeps everything. Raises
    UsageError for an unknown method or option, a value of the wrong type or range, a budget outside
    (0, 1], and for a `prune_at` where the method cannot choose.
    """
    pruner = pruner_of(method)
    request = PruneRequest(
        pruner=pruner,
        budget=_budget_of(pruner, budget),
        options=check_options(pruner.name, pruner.options, options or {}),
        prune_at=place_of(pruner, prune_at),
    )
    _check_rate_of(request)
    tried = request.budget.value if isinstance(request.budget, Fraction) else 0.5
    pruner.count(2, 1, tried, request.options)  # refuses bad values
    return request


def _budget_of(pruner: Pruner, budget: float | BudgetRule | None) -> BudgetRule:
    if budget is None and pruner.keeps_all:
        return WHOLE_BUDGET
    if not isinstance(budget, BudgetRule):
        budget = Fraction(value=check_budget(budget))
    if pruner.keeps_all and budget != WHOLE_BUDGET:
        raise UsageError(
            f"method {pruner.name!r} keeps every token, so its budget is 1, got {budget}: "
            "leave the budget out or choose another method"
        )
    return budget


def _check_rate_of(request: PruneRequest) -> None:
    if "pruning_rate" in request.options and not isinstance(request.budget, Fraction):
        raise UsageError(
            f"option pruning_rate is the same for every video, but budget {request.budget} is not: "
            "leave one of them out"
        )


def own_options(pruner: Pruner, given: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """Return the ones of the options `given` that a method has."""
    own = {option.name for option in pruner.options}
    return {name: value for name, value in given.items() if name in own}


def refuse_unused(given: Mapping[str, OptionValue], pruners: Sequence[Pruner]) -> None:
    """Raise UsageError for an option that none of the methods has."""
    known = [option.name for pruner in pruners for option in pruner.options]
    for name in given:
        if name not in known:
            choice = f"choose from {', '.join(known)}" if known else "leave it out"
            names = [pruner.name for pruner in pruners]
            which = f"method {names[0]!r} has no"
            if len(names) > 1:
                which = f"none of the methods {', '.join(names)} has an"
            raise UsageError(f"{which} option {name!r}{closest(name, known)}: {choice}")


def check_given(
    requests: Sequence[PruneRequest], *, asked: bool, scorer: str | Path | None
) -> None:
    """Raise UsageError for a needed question that is missing, or for an input without use.

    `asked` is whether there is a question.
    """
    asking, scoring = (needing(requests, need) for need in ("query", "scorer"))
    if asking and not asked:
        raise UsageError(f"method {asking!r} needs a question: give it with --query TEXT")
    if asked and not asking:
        raise UsageError("no method here uses a query: leave --query, or the column query, out")
    if scorer is not None and not scoring:
        raise UsageError("no method here uses a scorer: leave --scorer out")


def needing(requests: Sequence[PruneRequest], need: str) -> str | None:
    """Return the name of the first method that needs an input, or None without one."""
    return next((one.pruner.name for one in requests if need in one.needs), None)
