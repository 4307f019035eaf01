from __future__ import annotations

import pytest

from tests.models.qwen_omni.made import OMNI, Thinker


@pytest.fixture(scope="session", params=OMNI)
def thinker(request: pytest.FixtureRequest) -> Thinker:
    """A thinker of each family, in memory."""
    return Thinker.of(request.param)
