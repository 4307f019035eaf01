"""Every field of a shard's header with values that no video has: one clear line, whoever reads."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from evscli import prefill
from evscli.cli import run
from evscli.encoders.files import CheckpointFiles
from evscli.errors import EvsError
from evscli.store import StoreWriter, open_store, verify
from tests.store.samples import CONFIG, record
from tests.store.test_reader import change_head
