from __future__ import annotations

from pathlib import Path

import pytest

from evscli.job import Encoding
from evscli.mini.exam import procedural


def test_a_folder_called_mini_is_not_taken_for_the_bundled_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is called after `evs train mini -o .`."""
    loaded: list[Encoding] = []

    class LoadedError(Exception):
        pass

    def load(encoding: Encoding) -> None:
        loaded.append(encoding)
        raise LoadedError

    monkeypatch.setattr(procedural, "load_both", load)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadedError):
        procedural.held_out_tallies(Path("mini"), videos=1, seed=0)
    assert loaded == [Encoding(model=str(tmp_path / "mini"), device="cpu")]
