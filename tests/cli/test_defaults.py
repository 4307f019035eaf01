"""Defaults from evs.toml and from variables: broken files, and values that exclude each other."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.in_process import run_here
from tests.evs import run_evs
from tests.videos import write_video

PRUNE = ("prune", "a.mp4", "--method", "evs", "--budget", "0.5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video, for runs that write stores of their own into it."""
    made = tmp_path_factory.mktemp("defaults")
    write_video(made / "a.mp4", frames=16)
    return made


@pytest.fixture
def file(folder: Path) -> Path:
    """The path of the file of defaults, which does not exist yet."""
    path = folder / "evs.toml"
    path.unlink(missing_ok=True)
    return path


def settings(folder: Path, store: str, *words: str, **environment: str) -> dict[str, object]:
    """Prune the video, and return the settings of its store."""
    result = run_here("prune", "a.mp4", "-o", store, *words, cwd=folder, env=environment)
    assert result.code == 0, result.err
    found: dict[str, object] = json.loads((folder / store / "run.json").read_text())["settings"]
    return found


class TestHelpAndCompletion:
    """They work beside a faulty file, and say nothing about it."""

    @pytest.mark.parametrize("words", [("-h",), ("prune", "-h"), ("train", "mini", "--help")])
    def test_help(self, file: Path, words: tuple[str, ...]) -> None:
        file.write_text("fps = ")
        result = run_here(*words, cwd=file.parent)
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith("Usage: evs")

    def test_the_version(self, file: Path) -> None:
        file.write_text("fps = ")
        result = run_here("--version", cwd=file.parent)
        assert (result.code, result.err) == (0, "")

    @pytest.mark.parametrize("text", ["fps = ", "fps = 2"])
    def test_completion(self, file: Path, text: str) -> None:
        file.write_text(text)
        typed = {"COMP_WORDS": "evs prune --max-f", "COMP_CWORD": "2"}
        result = run_evs(cwd=file.parent, env={"_EVS_COMPLETE": "complete_bash", **typed})
        assert (result.out.strip(), result.err) == ("--max-frames", "")


def lead(to: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(to)


class TestFilesThatCannotBeRead:
    """They are one line of usage, whatever is wrong with them."""

    @pytest.mark.parametrize(
        ("make", "line"),
        [
            (lambda path: path.write_text("[train]\nmini = 2"), "train.mini must be a table"),
            (lambda path: path.write_text("x = " + "[" * 3000), "cannot be read (maximum recurs"),
            (lambda path: path.write_text("seed = " + "9" * 5000), "cannot be read (Exceeds the"),
            (lambda path: path.write_text("x = 1\n" * 200_000), "is not a file of at most 1,000,"),
            (lead("/dev/zero"), "a link to /dev/zero, cannot be read (it is not a file of"),
            (os.mkfifo, "is not a file of at most"),
            (Path.mkdir, "is not a file of at most"),
            (lead("gone.toml"), "a link to gone.toml, cannot be read ([Errno 2] No such file"),
            (lead("evs.toml"), "a link to evs.toml, cannot be read ([Errno 40] Too many levels"),
        ],
        ids=["table", "nesting", "digits", "size", "device", "fifo", "folder", "nowhere", "loop"],
    )
    def test_are_refused(self, tmp_path: Path, make: Callable[[Path], None], line: str) -> None:
        make(tmp_path / "evs.toml")
        result = run_here("methods", cwd=tmp_path)
        assert result.code == 2
        assert line in result.error

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("num-frames = true", "evs.toml: num-frames must be a whole number, got True"),
            ("seed = true", "evs.toml: seed must be a whole number, got True"),
            ("seed = {a = 1}", "evs.toml: seed must be a whole number, got {'a': 1}"),
            ("fps = [2]", "evs.toml: fps must be a number, got [2]"),
            ("model = true", "evs.toml: model must be text, got True"),
            ("budget = [true]", "evs.toml: budget must be text, got True"),
            ('retry-failed = "no"', "evs.toml: retry-failed must be true or false, got 'no'"),
            ("seed = 0x" + "f" * 5000, "got a number of too many digits"),
        ],
    )
    def test_values_of_another_type_are_refused(self, file: Path, text: str, line: str) -> None:
        file.write_text(f"[prune]\n{text}\n")
        result = run_here(*PRUNE, cwd=file.parent)
        assert result.code == 2
        assert line in result.error

    def test_no_methods_at_all_are_refused(self, file: Path) -> None:
        file.write_text("method = []\n")
        result = run_here("plan", "a.mp4", cwd=file.parent)
        assert result.code == 2
        assert "--method is empty; give a value or leave the option out" in result.error

    def test_a_mark_of_byte_order_is_no_part_of_the_text(self, file: Path) -> None:
        file.write_text("\ufeffjson = true\n", encoding="utf-8")
        assert json.loads(run_here("methods", cwd=file.parent).out)

    def test_a_folder_that_may_not_be_looked_into_has_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(path: Path) -> os.stat_result:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "lstat", refuse)
        result = run_here("models", cwd=tmp_path)
        assert (result.code, result.err) == (0, "")


class TestExclusions:
    """What is typed goes before a default that excludes it; a default without use is left out."""

    def test_one_of_two_rates_goes_by_its_rank(self, file: Path) -> None:
        file.write_text("fps = 2\nmethod = 'evs'\nbudget = 0.5\n")
        typed = settings(file.parent, "typed", "--num-frames", "4")
        variable = settings(file.parent, "variable", EVS_NUM_FRAMES="4")
        for made in (typed, variable):
            assert made["encoder"]["sampling"]["num_frames"] == 4  # type: ignore[index]
            assert made["encoder"]["sampling"]["fps"] is None  # type: ignore[index]

    def test_two_in_one_file_are_refused(self, file: Path) -> None:
        file.write_text("fps = 2\nnum-frames = 4\n")
        result = run_here(*PRUNE, cwd=file.parent)
        assert result.code == 2
        assert "--fps and --num-frames exclude each other; give one of them" in result.error

    def test_a_revision_is_for_the_hub_only(self, file: Path) -> None:
        file.write_text('model = "some/checkpoint"\nrevision = "v1"\n')
        settings(file.parent, "bundled", "--model", "mini", *PRUNE[2:])
        result = run_here(*PRUNE, "--model", "mini", "--revision", "v2", cwd=file.parent)
        assert "which has no revision 'v2'" in result.error

    def test_an_address_is_for_a_cluster_only(self, file: Path) -> None:
        file.write_text('engine = "ray"\naddress = "a:1"\n')
        settings(file.parent, "local", "--engine", "local", *PRUNE[2:])
        result = run_here(*PRUNE, "--engine", "local", "--address", "a:1", cwd=file.parent)
        assert "--address a:1 is for --engine ray" in result.error

    def test_a_method_takes_what_it_needs_of_the_defaults(self, file: Path) -> None:
        file.write_text(
            'query = "a ball"\noption = ["tau=0.5"]\nbudget = "0.1:0.9"\nbudget-dist = "beta:1,1"\n'
            'prune-at = 0\nscorer = "x.safetensors"\n'
        )
        none = settings(file.parent, "none", "--method", "none")
        assert none["selection"]["budget"] == 1  # type: ignore[index]
        evs = settings(file.parent, "evs", "--method", "evs", "--budget", "0.5")
        assert "tau" not in str(evs)
        assert "prune_at" in str(evs)

    @pytest.mark.parametrize(
        ("words", "line"),
        [
            (("--query", "a ball"), "no method here uses a query"),
            (("--option", "tau=0.5"), "method 'evs' has no option 'tau'"),
            (("--budget-dist", "uniform"), "a distribution needs a range"),
        ],
    )
    def test_what_is_typed_without_use_is_refused(
        self, file: Path, words: tuple[str, ...], line: str
    ) -> None:
        result = run_here(*PRUNE, *words, cwd=file.parent)
        assert result.code == 2
        assert line in result.error

    def test_an_option_that_no_method_has_is_refused_in_a_file_too(self, file: Path) -> None:
        file.write_text('option = ["tua=0.5"]\n')
        result = run_here(*PRUNE, cwd=file.parent)
        assert "method 'evs' has no option 'tua'" in result.error

    @pytest.mark.parametrize("words", [("--max-frames", "8"), ("--per-token",)])
    def test_frames_are_left_out_where_videos_are_drawn(
        self, file: Path, words: tuple[str, ...]
    ) -> None:
        file.write_text('max-frames = 8\nmodel = "/none/such"\n')
        given = run_here("eval", cwd=file.parent)
        assert "/none/such" in given.error
        assert "are for your own videos" in run_here("eval", *words, cwd=file.parent).error


class TestVariables:
    @pytest.mark.parametrize("name", ["EVS_MAX_FRAME", "EVS_MAXFRAMES", "EVS_METHODS"])
    def test_a_slip_is_refused(self, folder: Path, name: str) -> None:
        result = run_here("methods", cwd=folder, env={name: "2"})
        assert result.code == 2
        assert f"no option has the variable {name!r}; did you mean EVS_M" in result.error

    def test_those_of_other_programs_are_left_alone(self, folder: Path) -> None:
        others = {"EVS_SERVICE_HOST": "1", "EVS_PORT": "2", "EVS_PORT_80_TCP": "3"}
        assert run_here("methods", cwd=folder, env=others).code == 0
