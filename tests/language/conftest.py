from __future__ import annotations

import pytest
from transformers import PreTrainedModel

from tests.checkpoints import FAMILIES


@pytest.fixture(params=[*FAMILIES, "mini"])
def model(request: pytest.FixtureRequest, models: dict[str, PreTrainedModel]) -> PreTrainedModel:
    return models[request.param]
