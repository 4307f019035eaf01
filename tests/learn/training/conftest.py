from __future__ import annotations

from typing import Any

import pytest

from evscli.learn.mini import mini_tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return mini_tokenizer()
