"""A pruning method: its function, its count, its needs. Importing this imports no torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import index
from typing import Any

from evscli.budget import CountRule, round_count
from evscli.errors import EvsError, MethodError, UsageError
from evscli.pruners.options import MethodOption, class_options, function_options
from evscli.records import KeptTokens, OptionValue, WindowChoice


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """The installed package that a method comes from."""

    distribution: str
    """The name and version of the package, as `evs-brightness 1.0`."""
    module: str
    """The module in which the method is defined."""


def nearest_count(frames: int, cells: int, budget: float, *_: object, **__: object) -> int:
    """Return the number nearest to the budget of `frames` temporal patches of `cells` tokens.

    This is the count of a method without an option or a whole frame that changes it.
    """
    return round_count(frames * cells, budget)


def nearest_rule(cells: int, *_: object, **__: object) -> CountRule:
    """Return the rule of `nearest_count`."""
    del cells
    return CountRule()


@dataclass(frozen=True, kw_only=True, eq=False)
class Pruner:
    """A pruning method."""

    name: str
    summary: str
    """The choice that the method makes, in one line."""
    paper: str
    """The title and arXiv number of its paper, or `baseline`."""
    function: Callable[..., KeptTokens] | Callable[..., WindowChoice]
    """The rule `(tokens, inputs, budget, options) -> KeptTokens`, pure. With `inside` it goes from
    `VideoWindows` to a `WindowChoice`."""
    expected_count: Callable[..., int] = nearest_count
    """The count `(T, N, budget, options) -> tokens kept` of T temporal patches of N tokens. It
    raises UsageError for options that mean nothing. A selection of another number fails, unless the
    content decides."""
    nested: Callable[..., CountRule | None] | None = None
    """The rule of the count `(N, options) -> CountRule`, for a method that ranks all tokens in one
    order whatever the budget, so that a smaller budget keeps a subset. Its selections then hold
    `order`. None, or a rule of None, is for methods, or options, without such an order."""
    option_type: type[Any] | None = None
    """The frozen dataclass of the options, which rule and count take as `options`. Without one both
    take each option by keyword, and the keyword-only parameters of `function` name them."""
    order: int = 50
    """The place among the built-in methods in lists: smaller ones come first, equal ones by name.
    The method to take where nothing speaks for another is at 0, published ones are at 1 and up,
    baselines at 91 and up."""
    content_decides: bool = False
    """Whether the number follows from the video's content, so that `expected_count` is only about
    right. A selection must then have the `expected` number that it states itself."""
    content_decides_by_option: frozenset[str] = frozenset()
    """The options that leave the number to the content with another value than by default, as
    thresholds do."""
    needs: frozenset[str] = frozenset()
    """The fields of `PruneInputs` that it always needs: pixels, query, scorer."""
    needs_by_option: Mapping[tuple[str, OptionValue], str] = field(default_factory=dict)
    """The field that one value of an option needs besides: `{("space", "rgb"): "pixels"}`."""
    random: bool = False
    """Whether the seed matters."""
    keeps_all: bool = False
    """Whether it prunes nothing, so that the budget can only be 1."""
    inside: int | None = None
    """The block of an encoder after which it runs by default. Without one it scores tokens, and
    windows inside an encoder only with `prune_at`."""
    algorithm_version: int = 1
    """The version of the rule, raised when the same inputs give another mask than before."""
    plugin: Plugin | None = None
    """The package that adds it, set where the method is found by its name."""

    @cached_property
    def options(self) -> tuple[MethodOption, ...]:
        """The options that `--option` takes."""
        if self.option_type is None:
            return function_options(self.function)
        return class_options(self.option_type)

    def unusual(self, options: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
        """Return the ones of `options` that are not its defaults."""
        usual = {option.name: option.default for option in self.options}
        return {name: value for name, value in options.items() if value != usual.get(name)}

    def describe(self) -> dict[str, Any]:
        """Return the whole method as JSON values, for listings."""
        return {
            "name": self.name,
            "summary": self.summary,
            "paper": self.paper,
            "options": {
                option.name: {
                    "default": option.default,
                    "values": option.wanted,
                    **({"help": option.declared.help} if option.declared.help else {}),
                }
                for option in self.options
            },
            "needs": sorted(self.needs),
            "needs_by_option": {
                f"{name}={value}": need for (name, value), need in self.needs_by_option.items()
            },
            "nested": self.nested is not None,
            "random": self.random,
            "inside": self.inside,
            "algorithm_version": self.algorithm_version,
        }

    def answer(
        self, rule: Callable[..., Any], *given: object, options: Mapping[str, OptionValue]
    ) -> Any:
        """Return the result of its `function` or its `expected_count`, whatever that is."""
        if self.option_type is None:
            return rule(*given, **options)
        return rule(*given, self.option_type(**options))

    def count(
        self, frames: int, cells: int, budget: float, options: Mapping[str, OptionValue]
    ) -> int:
        """Return the number of tokens to keep. Raises MethodError where the count itself fails."""
        try:
            return index(self.answer(self.expected_count, frames, cells, budget, options=options))
        except EvsError:
            raise
        except Exception as error:
            raise MethodError(
                f"method {self.name!r} cannot count the tokens it keeps of {frames} x {cells} "
                f"({type(error).__name__}: {error}): mend its expected_count"
            ) from error


def function_pruner(function: Callable[..., KeptTokens]) -> Pruner:
    """Make a method of a plain function `(tokens, inputs, budget, *, options) -> KeptTokens`.

    It has the function's name, its keyword-only parameters are the options, and its selections must
    have the `expected` number that they state. Raises UsageError for another signature.
    """
    rule = function.func if isinstance(function, partial) else function
    name = getattr(rule, "__name__", type(rule).__name__)
    try:
        inspect.signature(function).bind("tokens", "inputs", "budget")
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"function {name} cannot be a method ({error}): let it take (tokens, inputs, budget), "
            "and options by keyword, each with a default"
        ) from None
    return Pruner(
        name=name,
        summary=(inspect.getdoc(rule) or "").partition("\n")[0],
        paper="",
        function=function,
        content_decides=True,
    )
