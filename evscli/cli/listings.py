"""`evs methods` and `evs models`: lists of the methods and of the model families."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from evscli.bundled import EXAMPLE_QUESTIONS
from evscli.cli import options
from evscli.cli.command import command
from evscli.cli.notes import note
from evscli.errors import UsageError
from evscli.option import Option

if TYPE_CHECKING:
    from evscli.models import FamilySpec
    from evscli.pruners import Pruner
    from evscli.pruners.options import MethodOption


NEEDS = {
    "pixels": "the video's pixels",
    "query": "a question (--query)",
    "scorer": "trained weights (--scorer)",
}
"""The needs of a method in words."""
WHICH = (
    "where nothing speaks for another, take surprise: of the methods measured, all that need no "
    "training, it keeps most answers of the bundled model right (docs/evidence.md)"
)
"""The method to take, as measured."""


@command
def methods(name: options.NamedMethod = None, as_json: options.Json = False) -> None:
    """List the pruning methods with their papers, options and needs, or show one in full.

    Where nothing speaks for another, take surprise: of the methods measured, all that need no
    training, it keeps most answers of the bundled model right (docs/evidence.md).

    The masks of a nested method at a smaller budget are subsets of those at a larger one, so that
    its stores can be read at any smaller budget.

    A method of an installed package that cannot be used is listed as broken, with the reason.

    Example: evs methods

    Example: evs methods surprise
    """
    from evscli.pruners import broken_methods, list_pruners
    from evscli.pruners.registry import get_pruner

    if name is not None and not as_json:
        _show_one(get_pruner(name))
        return
    pruners, broken = list_pruners(), broken_methods()
    if name is not None:
        pruners, broken = (get_pruner(name),), {}
    if as_json:
        faults = [{"name": name, "broken": reason} for name, reason in broken.items()]
        print(json.dumps([*(pruner.describe() for pruner in pruners), *faults], indent=2))
        return
    rows = [
        (p.name, _summary_of(p), p.paper, _needs_of(p), "\n".join(map(_option_text, p.options)))
        for p in pruners
    ]
    rows += [(name, f"broken: {reason}", "", "", "") for name, reason in broken.items()]
    _show(("method", "what it does", "paper", "needs", "options"), rows)
    note(WHICH)


def _show_one(pruner: Pruner) -> None:
    """Print one method and the help of each of its options."""
    from rich.console import Console

    from evscli.tables import print_pairs

    print_pairs(
        Console(highlight=False),
        [
            ("method", pruner.name),
            ("what it does", _summary_of(pruner)),
            ("paper", pruner.paper),
            *([("needs", needs)] if (needs := _needs_of(pruner).replace("\n", "; ")) else []),
            *(
                (f"--option {one.name}", f"{one.declared.help} Value: {_values_of(one)}.")
                for one in pruner.options
            ),
        ],
    )


def _summary_of(pruner: Pruner) -> str:
    """Return what a method does, and whether its stores can be read at smaller budgets."""
    return f"{pruner.summary} (nested)" if pruner.nested else pruner.summary


def _option_text(option: MethodOption) -> str:
    """Return the name of an option, its values and, where it has one, its default."""
    return f"{option.name}: {_values_of(option)}"


def _values_of(option: MethodOption) -> str:
    if option.default is None:
        return option.wanted
    default = str(option.default).lower() if option.kind is bool else f"{option.default}"
    return f"{option.wanted} (default {default})"


def _needs_of(pruner: Pruner) -> str:
    always = [NEEDS.get(need, need) for need in sorted(pruner.needs)]
    sometimes = [
        f"{NEEDS.get(need, need)} with {name}={value}"
        for (name, value), need in pruner.needs_by_option.items()
    ]
    return "\n".join([*always, *sometimes])


@command
def models(
    name: options.NamedFamily = None,
    words: Annotated[
        bool, Option("List the words that the bundled mini understands.", names=("--words",))
    ] = False,
    as_json: options.Json = False,
) -> None:
    """List the model families whose checkpoints can be used, or show one in full.

    The bundled `mini` understands a few hundred English words only; other models take any text.

    `evs models TYPE` says of one which frames it takes, where its tokens stand in a prompt, which
    engines serve it, and what was tested.

    Example: evs models --words
    """
    from evscli.encoders import list_families

    if words:
        _list_words(as_json=as_json)
        return
    if name is not None:
        _show_family(name, as_json=as_json)
        return
    families = list_families()
    if as_json:
        print(json.dumps(families, indent=2))
        return
    _show(("model_type", "family"), list(families.items()))


def _show_family(name: str, *, as_json: bool) -> None:
    """Print what is known of one family."""
    from rich.console import Console

    from evscli.encoders import list_families
    from evscli.models import family_of
    from evscli.tables import print_pairs

    if name not in (known := list_families()):
        raise UsageError(f"there is no family {name!r}: give one of {', '.join(known)}")
    spec = family_of(name, model=name)
    facts = {
        "model_type": spec.model_type,
        "family": spec.summary,
        "frames": spec.frames,
        "positions": spec.positions,
        "disk": token_text(spec),
        "served": spec.served or "by no engine yet; transformers prefills from its stores",
        "tested": spec.tested,
    }
    stated = {key: value for key, value in facts.items() if value}
    if as_json:
        print(json.dumps(stated, indent=2))
        return
    print_pairs(Console(highlight=False), [*stated.items()])


def token_text(spec: FamilySpec) -> str:
    """Return what a token costs on disk, in words."""
    rows, of_planes = 1 + spec.planes, f" and {spec.planes} DeepStack planes" if spec.planes else ""
    return (
        f"a token{of_planes} in bfloat16 {'take' if spec.planes else 'takes'} {2 * rows} bytes for "
        f"each value that the language model is wide, {2 * rows * 4096:,} at a width of 4,096; in "
        "float8 and int8 half of that, and a scale"
    )


def _list_words(*, as_json: bool) -> None:
    from rich.columns import Columns
    from rich.console import Console
    from rich.text import Text

    from evscli.language.words import mini_words

    words = mini_words()
    if as_json:
        print(json.dumps(words, indent=2))
        return
    console = Console()
    if not console.is_terminal:
        print("\n".join(words))
        return
    console.print(Columns([Text(word) for word in words], column_first=True))
    print("\nQuestions of the kinds that mini is made for:")
    print(*(f"  {question}" for question in EXAMPLE_QUESTIONS), sep="\n")


def _show(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on a terminal, tab-separated lines when piped."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        for row in rows:
            print("\t".join(cell.replace("\n", ", ") for cell in row))
        return
    table = Table(*header, box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)
