from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evscli.learn.evaluation import held_out


def test_a_folder_called_mini_is_not_taken_for_the_bundled_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is called after `evs train mini -o .`."""
    loaded: list[str] = []

    class LoadedError(Exception):
        pass

    def load(model: str, **_: Any) -> None:
        loaded.append(model)
        raise LoadedError

    monkeypatch.setattr(held_out, "load_both", load)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadedError):
        held_out.held_out_tallies(Path("mini"), videos=1, seed=0)
    assert loaded == [str(tmp_path / "mini")]
