"""docs/training.md does what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.evs import run_evs
from tests.train.drawn import draw_in_forks
from tests.videos import write_video

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:'pin_memory' argument"),  # there is no GPU to pin for
]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder where the page's code ran, and the names that it left."""
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "conversations.jsonl").write_text(blocks("json")[0])
    (folder / "sample_videos").mkdir()
    for number, line in enumerate(blocks("json")[0].splitlines()):  # shorter ones of the same names
        video = folder / "sample_videos" / f"{json.loads(line)['video']}.mp4"
        write_video(video, frames=36, seed=number)
    (command,) = re.findall(r"^evs (prune .*)$", blocks("bash")[0], flags=re.MULTILINE)
    assert run_evs(*command.split(), cwd=folder).code == 0
    names: dict[str, Any] = {"__name__": "__main__"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(blocks("python")[0], "docs/training.md", "exec"), names)
    return folder, names


def test_the_loss_of_the_recipe_falls(trained: tuple[Path, dict[str, Any]]) -> None:
    history = trained[1]["trainer"].state.log_history
    losses = [entry["loss"] for entry in history if "loss" in entry]
    assert len(losses) == 12
    assert sum(losses[-3:]) < sum(losses[:3]) / 2


def test_only_the_language_part_was_trained(trained: tuple[Path, dict[str, Any]]) -> None:
    """And on tokens of a shard: the store takes the trained model for its own."""
    folder, names = trained
    frozen = {
        name for name, weight in names["model"].named_parameters() if not weight.requires_grad
    }
    assert frozen == {name for name, _ in names["model"].named_parameters() if ".visual." in name}
    (command,) = re.findall(r"^evs ask (.*) --model trained$", PAGE, flags=re.MULTILINE)
    words = shlex.split(command)
    result = run_evs("ask", *words, "--model", "trained", "--max-new-tokens", "2", cwd=folder)
    assert result.code == 0, result
    assert "vision weights" not in result.err


def test_batches_by_tokens_hold_every_conversation_once(
    trained: tuple[Path, dict[str, Any]],
) -> None:
    names = dict(trained[1])
    names["model"].zero_grad()
    exec(compile(blocks("python")[1], "docs/training.md", "exec"), names)
    gradient = names["model"].model.language_model.layers[0].mlp.up_proj.weight.grad
    assert gradient.abs().sum() > 0
    assert all(weight.grad is None for weight in names["model"].model.visual.parameters())
    sizes = [len(batch["labels"]) for batch in names["loader"]]
    assert sum(sizes) == len(names["conversations"])
    assert max(sizes) > 1


def test_the_commands_of_the_page_train_models_and_scorers(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """From a folder of videos to a model that answers, and to a scorer that prunes."""
    for name in ("sample_videos", "conversations.jsonl"):
        (tmp_path / name).symlink_to(trained[0] / name)
    write_video(trained[0] / "sample_videos" / "phone-rotated.mp4", frames=12)
    commands = [
        line for block in blocks("bash")[1:] for line in re.findall("^evs .*$", block, re.M)
    ]
    assert [shlex.split(line)[1] for line in commands] == ["train", "ask", "train", "prune"]
    for line in commands:
        fewer = re.sub(r"--steps \d+", "--steps 4", line)
        result = run_evs(*shlex.split(fewer)[1:], cwd=tmp_path, before=draw_in_forks)
        assert result.code == 0, result
