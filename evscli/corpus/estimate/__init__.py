"""What a run would come to, before any of its work.

    sample.py     which videos are looked into     clip.py       the beginning of one, decoded
    survey.py     looking into them, no pixels     calibrate.py  how fast a few are really pruned
    forecast.py   frames, tokens, bytes, as sums   duration.py   from sums and speeds to a time
    plan.py       all of it for one run

Nothing is written but to a temporary folder.
"""

from evscli.corpus.estimate.plan import Estimate, Prepared, estimate, prepare, survey_sample

__all__ = ["Estimate", "Prepared", "estimate", "prepare", "survey_sample"]
