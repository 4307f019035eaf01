"""The estimate of a run, before any of its work.

- `survey.py`: a sample of videos, and their timelines without pixels
- `forecast.py`: frames, tokens and bytes, as sums
- `calibrate.py`: the speed of pruning a few videos
- `duration.py`: the time, from sums and speeds
- `plan.py`: the estimate of one run

Nothing is written but to a temporary folder.
"""

from evscli.corpus.estimate.plan import Estimate, Prepared, estimate, prepare, survey_sample

__all__ = ["Estimate", "Prepared", "estimate", "prepare", "survey_sample"]
