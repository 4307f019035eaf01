from __future__ import annotations

import pytest


@pytest.fixture
def without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have documents written with empty plots, which take longer to draw than all else."""
    monkeypatch.setattr(
        "evscli.evaluation.report.document.render", lambda _, *forms: dict.fromkeys(forms, b"")
    )
