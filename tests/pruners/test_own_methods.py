"""Methods of one's own: a `Pruner` or a function in place of a name, and what they promise."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
import torch

from evscli.api import prune_video
from evscli.budget import round_count
from evscli.encoders import load_encoder
from evscli.errors import MethodError, UsageError, VideoError
from evscli.pipeline import VideoPruner
from evscli.pruners import (
    Method,
    Pruner,
    check_selection,
    get_pruner,
    prune,
    source_digests,
)
from evscli.records import KeptTokens, PruneInputs, VideoTokens, VideoWindows, WindowChoice
from tests.pruners.videos import tokens

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers

DOCS = Path(__file__).parents[2] / "docs" / "methods.md"


def strongest(
    tokens: VideoTokens,
    inputs: PruneInputs,
    budget: float,
    *,
    power: float = 2.0,
    first=False,  # type: ignore[no-untyped-def]
    kind: Literal["all", "some"] = "all",
) -> KeptTokens:
    """The strongest tokens."""
    del inputs, kind
    strength = tokens.embeds.float().abs().pow(power).sum(-1)
    if first:
        strength[0] = torch.inf
    count = round_count(strength.numel(), budget)
    mask = torch.zeros(strength.numel(), dtype=torch.bool)
    mask[strength.flatten().topk(count).indices] = True
    return KeptTokens(mask=mask.view(tokens.grid_thw), expected=count)


def liar(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    """One token fewer than it says."""
    kept = strongest(tokens, inputs, budget)
    return replace(kept, expected=kept.expected + 1)


def half(frames: int, cells: int, budget: float) -> int:
    """Whatever the budget."""
    del budget
    return frames * cells // 2


def simple(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    return strongest(tokens, inputs, budget)


def own(function: Callable[..., Any] = simple, **fields: Any) -> Pruner:
    given = {"expected_count": half, **fields}
    return Pruner(name="own", summary="one's own", paper="", function=function, **given)


class TestWhatIsAMethod:
    def test_a_pruner_and_a_function_choose_as_the_same_rule_by_name(self) -> None:
        video = tokens(4, 3, 3)
        by_name = prune(video, "norm", budget=0.5)
        for method in (get_pruner("norm"), strongest):
            assert torch.equal(prune(video, method, budget=0.5).mask, by_name.mask)

    def test_a_function_has_its_name_and_its_keyword_parameters_as_options(self) -> None:
        request = check_selection(strongest, 0.5, {"power": "3"})
        assert request.pruner.name == "strongest"
        assert request.pruner.summary == "The strongest tokens."
        assert request.options == {"power": 3.0, "first": False, "kind": "all"}
        assert prune(tokens(4, 3, 3), strongest, budget=0.25, first=True).mask[0].all()
        with pytest.raises(UsageError, match=r"'strongest' has no option 'pover' \(did you mean"):
            prune(tokens(4, 3, 3), strongest, budget=0.5, pover=1)
        with pytest.raises(UsageError, match="'kind' of method 'strongest' must be one of all"):
            prune(tokens(4, 3, 3), strongest, budget=0.5, kind="none")

    def test_bound_options_are_new_defaults(self) -> None:
        request = check_selection(partial(strongest, power=1.0), 0.5)
        assert (request.pruner.name, request.options["power"]) == ("strongest", 1.0)

    def test_only_annotations_of_options_must_be_known_when_it_runs(self) -> None:
        def rule(
            tokens: OnlyForCheckers, inputs: OnlyForCheckers, budget: float, *, k: int = 1
        ) -> KeptTokens:
            raise NotImplementedError

        def other(tokens: Any, inputs: Any, budget: Any, *, k: OnlyForCheckers = 1) -> KeptTokens:  # type: ignore[assignment]
            raise NotImplementedError

        assert check_selection(rule, 0.5).options == {"k": 1}
        with pytest.raises(UsageError, match=r"option k .* annotation that cannot be looked up"):
            check_selection(other, 0.5)

    @pytest.mark.parametrize("method", [lambda tokens: tokens, lambda: None])
    def test_a_function_of_another_signature_is_refused(self, method: Method) -> None:
        with pytest.raises(UsageError, match=r"cannot be a method .* take .tokens, inputs, budget"):
            prune(tokens(2, 2, 2), method, budget=0.5)

    def test_what_is_no_method_is_refused(self) -> None:
        with pytest.raises(UsageError, match="a name, a Pruner or a function, got int"):
            prune(tokens(2, 2, 2), 3, budget=0.5)  # type: ignore[arg-type]

    def test_a_video_is_pruned_by_it(self, clip: Path) -> None:
        by_name = prune_video(clip, method="norm", budget=0.25)
        by_function = prune_video(clip, method=strongest, budget=0.25, options={"power": 2.0})
        assert torch.equal(by_function.keep_mask, by_name.keep_mask)
        assert by_function.info.method == "strongest"
        assert prune_video(clip, method=get_pruner("norm"), budget=0.25).info == by_name.info

    def test_the_example_of_the_docs_runs(self) -> None:
        examples = re.findall(r"```python\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)
        (code,) = (example for example in examples if "import prune\n" in example)
        names: dict[str, Any] = {"embeds": tokens(4, 3, 3).embeds}
        exec(code, names)
        assert names["kept"].count == 9


class TestPromises:
    LINE = r"method '{}' promised {} of 36 tokens and kept {}: mend"

    def test_another_number_than_it_states_is_refused(self) -> None:
        with pytest.raises(MethodError, match=self.LINE.format("liar", 19, 18)):
            prune(tokens(4, 3, 3), liar, budget=0.5)

    def test_another_number_than_its_rule_says_is_refused(self) -> None:
        assert prune(tokens(4, 3, 3), own(), budget=0.5).count == 18
        with pytest.raises(MethodError, match=self.LINE.format("own", 18, 9)):
            prune(tokens(4, 3, 3), own(), budget=0.25)

    def test_where_the_content_decides_it_is_held_to_what_it_states(self) -> None:
        assert prune(tokens(4, 3, 3), own(content_decides=True), budget=0.25).count == 9
        with pytest.raises(MethodError, match="promised 10 of 36 tokens and kept 9"):
            prune(tokens(4, 3, 3), own(liar, content_decides=True), budget=0.25)

    @pytest.mark.slow
    def test_so_is_a_choice_inside_the_encoder(self, clip: Path) -> None:
        def windows(w: VideoWindows, inputs: PruneInputs, budget: float) -> WindowChoice:
            return WindowChoice(
                kept=simple(VideoTokens(embeds=w.states.flatten(-2)), inputs, budget)
            )

        for method in (own(windows, inside=1), own()):
            assert prune_video(clip, method=method, budget=0.5, prune_at=1).info.prune_at == 1
            with pytest.raises(VideoError, match=r"clip.mp4: method 'own' promised [\d,]+ of"):
                prune_video(clip, method=method, budget=0.25, prune_at=1)

    def test_that_video_fails_with_one_line(self, clip: Path) -> None:
        with pytest.raises(
            VideoError, match=r"clip.mp4: method 'own' promised .* and kept"
        ) as caught:
            prune_video(clip, method=own(), budget=0.25)
        assert (caught.value.stage, caught.value.kind) == ("prune", "MethodError")

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (torch.ones(2, 2, 2, dtype=torch.bool), "gave a Tensor, not a KeptTokens"),
            (KeptTokens(mask=torch.ones(2, 2), expected=4), r"mask \(2, 2\) of torch.float32 for"),
            (KeptTokens(mask=torch.ones(2, 2, 2), expected=8), r"of torch.float32 for a grid"),
        ],
    )
    def test_what_is_no_selection_is_refused(self, answer: object, words: str) -> None:
        def function(tokens: Any, inputs: Any, budget: Any) -> Any:
            del tokens, inputs, budget
            return answer

        with pytest.raises(MethodError, match=f"method 'function' .*{words}"):
            prune(tokens(2, 2, 2), function, budget=0.5)

    @pytest.mark.parametrize("count", [lambda t, n, budget: t * n * budget, lambda *_: 1 // 0])
    def test_a_rule_that_gives_no_number_is_refused(self, count: Callable[..., int]) -> None:
        with pytest.raises(MethodError, match="'own' cannot count the tokens it keeps of 2 x 1"):
            check_selection(own(expected_count=count), 0.5)


class TestSource:
    @pytest.fixture
    def module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        folder = tmp_path / "evs_own_package" / "inner"
        folder.mkdir(parents=True)
        (tmp_path / "evs_own_package" / "__init__.py").touch()
        (folder / "__init__.py").write_text("VALUE = 1\n")
        (folder / "rule.py").write_text(
            "from . import VALUE\ndef rule(tokens, inputs, budget): return VALUE\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        from importlib import import_module

        return import_module("evs_own_package.inner.rule")

    def test_every_code_file_of_the_package_counts_and_no_other(self, module: Any) -> None:
        pruner = check_selection(module.rule, 0.5).pruner
        before = source_digests(pruner)
        assert [*before] == ["evs_own_package"]
        folder = Path(module.__file__).parent
        (folder / "notes.txt").write_text("not code")
        (folder / ".hidden.py").touch()
        assert source_digests(pruner) == before
        (folder / "__init__.py").write_text("VALUE = 2\n")
        assert source_digests(pruner) != before

    def test_a_store_is_told_by_it(self, module: Any) -> None:
        encoder = load_encoder("mini")
        request = check_selection(module.rule, 0.5)
        selection = VideoPruner(encoder, request).configs[0].settings["selection"]
        assert selection["plugin"] == {
            "package": None,
            "source_sha256": source_digests(request.pruner),
        }

    def test_built_in_methods_keep_their_settings(self) -> None:
        encoder = load_encoder("mini")
        for name in ("vcast", "random", "none"):
            request = check_selection(name, None if name == "none" else 0.5)
            assert "plugin" not in VideoPruner(encoder, request).configs[0].settings["selection"]

    def test_one_that_only_has_the_name_of_a_built_in_one_is_none(self) -> None:
        pruner = replace(get_pruner("dycoke"), function=simple)
        settings = (
            VideoPruner(load_encoder("mini"), check_selection(pruner, 0.5)).configs[0].settings
        )
        assert settings["selection"]["plugin"]["source_sha256"].keys() == {"evscli", "tests"}

    def test_what_follows_from_no_file_is_refused_for_a_store(self) -> None:
        def closure(tokens: Any, inputs: Any, budget: Any) -> Any:
            return self, tokens, inputs, budget

        typed: dict[str, Any] = {"__name__": "__main__"}
        exec("def cell(tokens, inputs, budget): pass", typed)
        for method, why in (
            (closure, "'closure' is a function that uses variables of another one"),
            (partial(simple), "'simple' is a partial, not a function"),
            (typed["cell"], "'cell' is defined in __main__, which is not an imported file"),
        ):
            with pytest.raises(UsageError, match=f"method {why}.*module of its own"):
                source_digests(check_selection(method, 0.5).pruner)
