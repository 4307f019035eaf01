"""Options of one's own as the fields of a dataclass, which rule and count share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import pytest
import torch

from evscli.errors import UsageError
from evscli.option import Option
from evscli.pruners import Pruner, check_selection, prune, source_digests
from evscli.pruners.method import Plugin
from evscli.records import KeptTokens, PruneInputs, VideoTokens
from tests.pruners.test_own_methods import simple
from tests.pruners.videos import tokens


@dataclass(frozen=True)
class Size:
    most: Annotated[int, Option("The most tokens.", metavar="tokens", least=1, below=9)] = 4
    kind: Literal["all", "some"] = "all"

    def __post_init__(self) -> None:
        if self.kind == "some" and self.most > 4:
            raise UsageError("some are at most 4")


def size_count(frames: int, cells: int, budget: float, options: Size) -> int:
    del frames, cells, budget
    return options.most


def first(tokens: VideoTokens, inputs: PruneInputs, budget: float, options: Size) -> KeptTokens:
    """The first tokens, of whatever budget."""
    del inputs, budget
    mask = torch.zeros(tokens.grid_thw, dtype=torch.bool)
    mask.view(-1)[: options.most] = True
    return KeptTokens(mask=mask, expected=options.most)


class TestOptionsOfADataclass:
    METHOD = Pruner(
        name="first",
        summary="",
        paper="",
        function=first,
        expected_count=size_count,
        option_type=Size,
    )

    def test_rule_and_count_get_all_of_them(self) -> None:
        request = check_selection(self.METHOD, 0.5, {"most": "3"})
        assert request.options == {"most": 3, "kind": "all"}
        assert request.expected_count((2, 2, 2)) == 3
        assert prune(tokens(2, 2, 2), self.METHOD, budget=0.5).count == 4
        assert [option.wanted for option in self.METHOD.options] == [
            "a whole number",
            "one of all, some",
        ]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"most": 0}, "option most of first must be at least 1, got 0: give 1 or more"),
            ({"most": 9}, "option most of first must be below 9, got 9: give less"),
            ({"most": 1.5}, "option 'most' of method 'first' must be a whole number, got 1.5"),
            ({"most": 5, "kind": "some"}, "some are at most 4"),
            ({"least": 5}, "method 'first' has no option 'least'.*: choose from most, kind"),
        ],
    )
    def test_values_that_mean_nothing_are_refused(
        self, options: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(UsageError, match=words):
            check_selection(self.METHOD, 0.5, options)

    def test_a_store_is_told_by_their_file_too(self) -> None:
        assert source_digests(self.METHOD).keys() == {"tests"}
        elsewhere = replace(self.METHOD, option_type=PruneInputs)
        assert source_digests(elsewhere).keys() == {"evscli", "tests"}

    def test_a_count_that_is_not_given_is_no_code_of_the_method(self) -> None:
        plugin = Plugin(distribution="tests 1.0", module=__name__)
        for package in (plugin, None):
            pruner = Pruner(name="own", summary="", paper="", function=simple, plugin=package)
            assert source_digests(pruner).keys() == {"tests"}
            assert check_selection(pruner, 0.3).expected_count((2, 2, 2)) == 2
