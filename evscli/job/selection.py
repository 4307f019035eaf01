"""The selection of tokens: methods, budgets, and the inputs that methods need beside tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from evscli.errors import UsageError
from evscli.option import Checked, Option

if TYPE_CHECKING:
    from evscli.budget import BudgetRule
    from evscli.pruners import Method, PruneRequest
    from evscli.pruners.spec import MethodSpec
    from evscli.records import OptionValue, PruneAt
else:  # the functions that take methods and options check them
    Method, OptionValue = str | Any, Any

Budget = str | float


@dataclass(frozen=True, kw_only=True)
class Selection(Checked):
    """Every method with every budget, and the inputs that methods need."""

    GROUP: ClassVar = "Tokens"

    methods: Annotated[
        tuple[Method, ...],
        Option(
            "Pruning method; `evs methods` lists them. May be repeated, also with options of its "
            "own: vcast:tau=0.5,prune_at=1.",
            names=("--method",),
            metavar="METHOD",
        ),
    ]
    budgets: Annotated[
        tuple[Budget, ...],
        Option(
            "Tokens kept: a fraction (0.3), a number per video (4096tok) or second (256tok/s), "
            "or a range to draw a fraction from (0.1:0.9). May be repeated.",
            names=("--budget",),
            metavar="BUDGET",
        ),
    ] = ()
    budget_dist: Annotated[
        str | None,
        Option("Distribution for a range: uniform (default) or beta:A,B.", metavar="DIST"),
    ] = None
    options: Annotated[
        tuple[str, ...] | Mapping[str, OptionValue],
        Option("Option of the method. May be repeated.", names=("--option",), metavar="NAME=VALUE"),
    ] = ()
    prune_at: Annotated[
        str | int | None,
        Option(
            "Prune inside the encoder, after this block counted from 0, or before it, by pixels: "
            "input. Default: after it; stts and window-diff after block 3.",
            metavar="BLOCK",
        ),
    ] = None
    scorer: Annotated[
        str | Path | None,
        Option(
            "Weights for stts: a safetensors file or a checkpoint. Default: the model's own.",
            metavar="FILE",
        ),
    ] = None
    query: Annotated[str | None, Option("Question for cdpruner and semvid.", metavar="TEXT")] = None
    seed: Annotated[int, Option("Seed of random methods.", metavar="N", least=0, below=2**63)] = 0

    def __post_init__(self) -> None:
        """Raise UsageError for the first value that a field does not allow."""
        super().__post_init__()
        if self.prune_at is not None:
            from evscli.pruners.places import check_place  # not needed for help

            object.__setattr__(self, "prune_at", check_place("--prune-at", self.prune_at))

    @property
    def place(self) -> PruneAt | None:
        """The place in the encoder for all methods without one of their own."""
        return cast("PruneAt | None", self.prune_at)

    @classmethod
    def replaced(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the methods use. An option that no method at all has stays, to be refused."""
        from evscli.pruners.registry import list_pruners
        from evscli.pruners.spec import method_spec

        specs = [method_spec(name) for name in given["methods"]]
        pruners = [spec.pruner for spec in specs]
        known = {option.name for one in list_pruners() for option in one.options}
        own = {
            option.name
            for spec in specs
            for option in spec.pruner.options
            if option.name not in spec.options
        }
        needs = {need for one in pruners for need in (*one.needs, *one.needs_by_option.values())}
        less: dict[str, Any] = dict.fromkeys({"query", "scorer"} - needs)
        names = [(text.partition("=")[0].strip(), text) for text in given["options"]]
        less["options"] = [text for name, text in names if name not in known - own]
        if all(one.keeps_all for one in pruners):
            less["budgets"] = []
        if all(
            one.prune_at is not None or one.pruner.keeps_all or "query" in one.pruner.needs
            for one in specs
        ):
            less["prune_at"] = None
        if not any(":" in budget for budget in given["budgets"]):
            less["budget_dist"] = None
        return less

    def requests(
        self, *, own_scorer: Callable[[], Path | None] = lambda: None
    ) -> tuple[PruneRequest, ...]:
        """Return every method with every budget, checked; among several methods `none` comes once.

        `own_scorer` finds the file of the scorer that the model brings along, which is used where
        no other is named. Raises UsageError as `check_selection` does, and for an option that no
        method has; ModelError as `own_scorer` and for a scorer that is not readable.
        """
        from evscli.pruners import check_selection
        from evscli.pruners.request import own_options, refuse_unused
        from evscli.pruners.spec import method_spec

        specs = list(map(method_spec, self.methods))
        pruners = [*dict.fromkeys(spec.pruner for spec in specs)]
        given, rules = self._options(), self._rules()
        refuse_unused(given, pruners)
        _refuse_replaced(specs, given, self.place)
        requests: list[PruneRequest] = []
        for spec in specs:
            alone = spec.pruner.keeps_all and len(pruners) > 1
            own = {**own_options(spec.pruner, given), **spec.options}
            block = self.place if spec.prune_at is None else spec.prune_at
            for rule in [None] if alone or not rules else rules:
                request = check_selection(spec.pruner, rule, own, prune_at=block)
                if "scorer" in request.needs:
                    path = own_scorer() if self.scorer is None else Path(self.scorer)
                    request = _where_trained(request, path, given=block)
                if request not in requests:
                    requests.append(request)
        return tuple(requests)

    def _rules(self) -> list[BudgetRule]:
        from evscli.budget import as_rule

        rules = (as_rule(budget, distribution=self.budget_dist) for budget in self.budgets)
        return [*dict.fromkeys(rules)]

    def _options(self) -> Mapping[str, OptionValue]:
        from evscli.pruners.options import split_assignments

        if isinstance(self.options, Mapping):
            return self.options
        return split_assignments(self.options)


def _refuse_replaced(
    specs: Sequence[MethodSpec], given: Mapping[str, OptionValue], place: PruneAt | None
) -> None:
    """Raise UsageError for an option, or a block, in whose place every method has its own."""
    for name in given:
        having = [one for one in specs if name in {option.name for option in one.pruner.options}]
        if all(name in one.options for one in having):
            raise UsageError(
                f"--option {name} is not used, since every method has its own behind its name: "
                "leave one of them out"
            )
    if place is not None and all(one.prune_at is not None for one in specs):
        raise UsageError(
            "--prune-at is not used, since every method has its own behind its name: leave one of "
            "them out"
        )


def _where_trained(
    request: PruneRequest, path: Path | None, *, given: PruneAt | None
) -> PruneRequest:
    """Return a request at the block that its scorer was trained for, where its file names one.

    Raises UsageError where another is given, and ModelError for a file that is not readable.
    """
    from evscli.encoders.scorer import read_record

    record = None if path is None else read_record(path)
    if record is None:
        return request
    if given not in (None, record.prune_at):
        raise UsageError(
            f"{path} was trained to look after block {record.prune_at}, not {given}: leave "
            "--prune-at out, or train another scorer"
        )
    return replace(request, prune_at=record.prune_at)
