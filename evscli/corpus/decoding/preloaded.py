"""The modules that processes which resize frames share as forks of one that has imported them."""

from evscli.garbage import held_off

with held_off(for_good=True):  # a search would write to memory that the forks share, too
    import evscli.corpus.decoding.decoder
    import evscli.models.parts.pixels  # noqa: F401
