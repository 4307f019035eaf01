"""What the fork server of `tests.evs` imports once."""

import evscli.cli
import evscli.cli.eval_report
import evscli.corpus.decoding.decoder
import evscli.corpus.local
import evscli.language.prefill
import evscli.learn.evaluation.multiple_choice
import evscli.learn.training.loop
import evscli.pipeline
import evscli.store  # noqa: F401
