"""What the fork server of `tests.evs` imports once."""

import evscli.cli
import evscli.corpus.local
import evscli.language.prefill
import evscli.pipeline
import evscli.store  # noqa: F401
