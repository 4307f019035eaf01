"""Names, budgets and options: what is accepted, and the one line said about what is not."""

from __future__ import annotations

import math
import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Literal

import numpy as np
import pytest
import torch

from evscli import added
from evscli.budget import Fraction, as_rule, check_budget, floor_count, round_count
from evscli.errors import MethodError, UsageError
from evscli.pruners import (
    Pruner,
    check_selection,
    get_pruner,
    list_pruners,
    method_names,
    prune,
    registry,
    select_tokens,
)
from evscli.pruners.methods import built_in
from evscli.pruners.options import MethodOption, check_options, function_options, split_assignments
from evscli.records import KeptTokens, OptionValue, PruneInputs, VideoTokens
from tests.pruners.videos import tokens


def parse_options(method: str, texts: list[str]) -> dict[str, OptionValue]:
    """As the command line does."""
    return check_options(method, get_pruner(method).options, split_assignments(texts))


class TestMethods:
    def test_these_are_built_in(self) -> None:
        names = method_names()
        assert names == tuple(pruner.name for pruner in list_pruners())
        assert (names[:3], names[-1]) == (("surprise", "evs", "vcast"), "none")
        assert len(names) == len(built_in())
        assert [pruner.name for pruner in list_pruners() if pruner.random] == ["random"]

    def test_an_unknown_one_is_named_beside_the_nearest_and_all(self) -> None:
        with pytest.raises(UsageError, match=r"'vcats' \(did you mean 'vcast'\?\): .*evs.*none"):
            get_pruner("vcats")

    @pytest.mark.parametrize("pruner", list_pruners(), ids=lambda pruner: pruner.name)
    def test_rule_and_count_share_their_options_and_each_says_what_it_does(
        self, pruner: Pruner
    ) -> None:
        assert function_options(pruner.function) == function_options(pruner.expected_count) == ()
        assert all(option.declared.help.endswith(".") for option in pruner.options)

    def test_a_description_is_json(self) -> None:
        row = get_pruner("evs").describe()
        assert row["paper"].endswith("arXiv 2510.14624")
        rule = row["options"]["rule"]
        assert (rule["default"], rule["values"]) == ("serving", "one of serving, paper")
        assert rule["help"].startswith("The count: ")
        assert row["needs_by_option"] == {"space=rgb": "pixels"}

    def test_listing_and_checking_do_not_import_torch(self) -> None:
        code = (
            "import sys\n"
            "from evscli.pruners import check_selection, list_pruners\n"
            "rows = [pruner.describe() for pruner in list_pruners()]\n"
            "check_selection('vcast', 0.3, {'tau': '1'})\n"
            "sys.exit('torch' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestBudget:
    @pytest.mark.parametrize("budget", [0.3, 1.0, 1, 1e-9, np.float32(0.5), np.float64(0.5)])
    def test_a_fraction_is_accepted(self, budget: float) -> None:
        assert check_budget(budget) == float(budget)
        assert type(check_budget(budget)) is float

    @pytest.mark.parametrize(
        ("budget", "shown"),
        [
            (0, "0"),
            (-0.1, "-0.1"),
            (1.5, "1.5"),
            (math.nan, "nan"),
            (math.inf, "inf"),
            ("third", "'third'"),
            ("0.3", "'0.3'"),
            (True, "True"),
            ([0.3], "[0.3]"),
        ],
    )
    def test_anything_else_is_refused_by_its_value(self, budget: object, shown: str) -> None:
        with pytest.raises(UsageError) as caught:
            check_budget(budget)
        assert f"got {shown}" in str(caught.value)
        assert "give" in str(caught.value)

    def test_text_from_the_command_line_is_read(self) -> None:
        assert as_rule("0.25") == as_rule(0.25) == Fraction(value=0.25)
        for text in ("third", "", "nan", "0", "1.5"):
            with pytest.raises(UsageError, match="budget"):
                as_rule(text)

    def test_only_none_does_without(self) -> None:
        assert check_selection("none").fraction == 1
        with pytest.raises(UsageError, match="no budget given"):
            check_selection("vcast")

    def test_none_refuses_to_prune(self) -> None:
        with pytest.raises(UsageError, match=r"'none' keeps every token.*0\.5"):
            check_selection("none", 0.5)

    def test_counts_are_exact(self) -> None:
        assert floor_count(1000, 1 - 0.9) == 100
        assert floor_count(999, 0.1) == 99
        assert [round_count(10, budget) for budget in (0.01, 0.24, 0.25, 0.35, 1)] == [
            1,
            2,
            2,
            4,
            10,
        ]


def example(
    tokens: VideoTokens,
    inputs: PruneInputs,
    budget: float,
    *,
    flag: bool = False,
    number: int | None = None,
    share: float = 0.5,
    kind: Literal["plain", "fine"] = "plain",
    label: str = "a",
) -> KeptTokens:
    """A method with an option of every type."""
    del tokens, inputs, budget, flag, number, share, kind, label
    return KeptTokens(mask=torch.ones((2, 2, 2), dtype=torch.bool), expected=8)


def example_count(
    frames: int,
    cells: int,
    budget: float,
    *,
    flag: bool = False,
    number: int | None = None,
    share: float = 0.5,
    kind: Literal["plain", "fine"] = "plain",
    label: str = "a",
) -> int:
    """All of them."""
    del budget, flag, number, share, kind, label
    return frames * cells


EXAMPLE = Pruner(
    name="example",
    summary="an example",
    paper="baseline",
    function=example,
    expected_count=example_count,
    needs=frozenset({"query"}),
)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(name="example", value=f"{__name__}:EXAMPLE", group="evscli.pruners")
    broken = EntryPoint(name="broken", value="no_such_module:PRUNER", group="evscli.pruners")
    other = EntryPoint(name="other", value="math:pi", group="evscli.pruners")
    evs = EntryPoint(name="evs", value="math:pi", group="evscli.pruners")
    points = {found.name: (found,) for found in (point, broken, other, evs)}
    monkeypatch.setattr(added, "points_of", lambda _group: points)
    registry._load.cache_clear()


@pytest.mark.usefixtures("plugin")
class TestPlugins:
    def test_a_method_of_another_package_is_found_by_its_entry_point(self) -> None:
        assert get_pruner("example").summary == "an example"
        assert "example" in method_names()

    def test_a_built_in_method_cannot_be_replaced(self) -> None:
        assert get_pruner("evs").function.__name__ == "evs"
        assert method_names().count("evs") == 1

    @pytest.mark.parametrize("name", ["broken", "other"])
    def test_a_broken_one_is_named(self, name: str) -> None:
        with pytest.raises(UsageError, match=rf"'{name}'.*repair or uninstall"):
            get_pruner(name)

    def test_a_mask_of_another_grid_is_refused(self) -> None:
        inputs = PruneInputs(query=torch.zeros(1, 8))
        assert prune(tokens(2, 2, 2), "example", budget=1.0, inputs=inputs).count == 8
        with pytest.raises(MethodError, match=r"\(2, 2, 2\) of torch.bool for a grid \(3, 2, 2\)"):
            prune(tokens(3, 2, 2), "example", budget=1.0, inputs=inputs)

    def test_an_input_it_needs_is_asked_for(self) -> None:
        with pytest.raises(UsageError, match="'example' needs query"):
            prune(tokens(2, 2, 2), "example", budget=1.0)

    def test_options_are_typed_by_the_signature(self) -> None:
        given = ["flag=TRUE", "number=3", "share=1", "kind=fine", "label=b"]
        assert parse_options("example", given) == {
            "flag": True,
            "number": 3,
            "share": 1.0,
            "kind": "fine",
            "label": "b",
        }

    def test_defaults_are_filled_in_and_what_is_off_is_left_out(self) -> None:
        assert check_selection("example", 0.5).options == {
            "flag": False,
            "share": 0.5,
            "kind": "plain",
            "label": "a",
        }

    def test_checked_options_check_again_to_themselves(self) -> None:
        options = check_selection("example", 0.5, {"number": 2, "share": 2}).options
        assert check_selection("example", 0.5, options).options == options

    @pytest.mark.parametrize(
        ("option", "words"),
        [
            ("flag=1", "true or false, got '1'"),
            ("number=1.5", "a whole number, got '1.5'"),
            ("number=many", "a whole number, got 'many'"),
            ("share=wide", "a number, got 'wide'"),
            ("share=nan", "a number, got 'nan'"),
            ("share=inf", "a number, got 'inf'"),
            ("kind=coarse", "one of plain, fine, got 'coarse'"),
        ],
    )
    def test_text_of_another_type_is_refused(self, option: str, words: str) -> None:
        with pytest.raises(UsageError) as caught:
            parse_options("example", [option])
        assert words in str(caught.value)

    @pytest.mark.parametrize(
        "options",
        [
            {"flag": 1},
            {"number": True},
            {"number": 1.0},
            {"share": False},
            {"kind": 1},
            {"label": 2},
        ],
    )
    def test_values_of_another_type_are_refused(self, options: dict[str, object]) -> None:
        with pytest.raises(UsageError, match="must be"):
            check_selection("example", 0.5, options)


class TestOptions:
    def test_an_unknown_one_is_named_beside_those_allowed(self) -> None:
        with pytest.raises(UsageError, match=r"'vcast' has no option 'tua' .*'tau'.*min_k"):
            check_selection("vcast", 0.3, {"tua": 1})
        with pytest.raises(UsageError, match="takes no options"):
            check_selection("random", 0.3, {"seed": 1})

    @pytest.mark.parametrize("text", ["tau", "=1", "tau=", ""])
    def test_text_without_a_name_or_value_is_refused(self, text: str) -> None:
        with pytest.raises(UsageError, match="NAME=VALUE"):
            parse_options("vcast", [text])

    def test_a_name_given_twice_is_refused(self) -> None:
        with pytest.raises(UsageError, match="'tau' is given twice"):
            parse_options("vcast", ["tau=1", "tau=2"])

    def test_a_signature_that_no_text_could_fill_is_a_mistake_of_the_method(self) -> None:
        def wrong(*, sizes: list[int] = ()) -> None:  # type: ignore[assignment]
            del sizes

        def endless(*, number: int) -> None:
            del number

        def taken(*, prune_at: int = 1) -> None:
            del prune_at

        with pytest.raises(UsageError, match=r"option prune_at .* name of another setting: rename"):
            function_options(taken)
        with pytest.raises(UsageError, match=r"option sizes .* must be a bool, int, float, str"):
            function_options(wrong)
        with pytest.raises(UsageError, match=r"option number .* has no default"):
            function_options(endless)

    def test_an_option_says_what_it_takes(self) -> None:
        assert MethodOption(name="x", kind=bool, default=None).wanted == "true or false"
        assert get_pruner("evs").options[0].wanted == "one of serving, paper"


def test_a_grid_without_tokens_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no tokens in the grid \(0, 2, 2\)"):
        select_tokens(check_selection("random", 0.5), tokens(0, 2, 2))
