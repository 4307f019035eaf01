"""The results of training a scorer: its file, and the checkpoint where more than it learned."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save

from evscli.encoders.checkpoint import read_checkpoint
from evscli.encoders.digest import weights_digests
from evscli.encoders.files import LocalFolder, ModelFiles
from evscli.encoders.scorer import OWN_FILE, RECORD, ScorerRecord
from evscli.store.durable import replace_file
from evscli.train.folder import MODEL_FOLDER, SCORER_FILE
from evscli.train.scorer.learner import ScorerLearner
from evscli.train.scorer.module import Scorer
from evscli.train.tuning.result import write_checkpoint


def write_results(
    learner: ScorerLearner,
    files: ModelFiles,
    folder: Path,
    *,
    command: str,
    before: float,
) -> list[str]:
    """Write the file of the scorer into `folder`, and before it the checkpoint that learned.

    The checkpoint is written as `write_checkpoint` does, and holds the scorer as well. Returns the
    names of what was written.
    """
    module, results = learner.module, [SCORER_FILE]
    if any(name.startswith("model.") for name in learner.names):
        path = folder / MODEL_FOLDER
        write_checkpoint(module.model, files, path, command=command, before=before)
        files = LocalFolder(path, name=str(path))
        results.append(MODEL_FOLDER)
    record = ScorerRecord(
        prune_at=module.after,
        vision_bf16_sha256=weights_digests(read_checkpoint(files).weights).bf16,
        model=files.name,
    )
    if len(results) > 1:
        write_scorer(module.scorer, record, folder / MODEL_FOLDER / OWN_FILE)
    write_scorer(module.scorer, record, folder / SCORER_FILE)
    return results


def write_scorer(scorer: Scorer, record: ScorerRecord, path: Path) -> None:
    """Write a scorer as a safetensors file in float32, which appears whole or not at all."""
    weights = {
        name: value.detach().to("cpu", torch.float32).contiguous()
        for name, value in scorer.state_dict().items()
    }
    path.parent.mkdir(exist_ok=True)
    replace_file(path, save(weights, {RECORD: json.dumps(vars(record), sort_keys=True)}))
