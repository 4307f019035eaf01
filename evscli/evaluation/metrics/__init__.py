"""Numbers about a mask and the tokens it keeps, computed without a language model.

    rows.py    tokens by cell, in float32     coverage.py  distance of tokens to the nearest kept
    span.py    the span of the kept tokens    summary.py   numbers from the mask alone, and all
    events.py  known events and their cells                numbers in one record

None of these numbers is established as a predictor of answer accuracy: read them as diagnostics.
They do not depend on the method or the model. Importing the package imports torch.

In the formulas x runs over all tokens [T, h, w, D] of a video and s over those the mask keeps;
`cos` is the cosine of two tokens, where a zero vector has cosine 1 to a zero vector and 0 to any
other. Values are read as float32 whatever the dtype and outside autograd; NaN and infinity are
refused, and DeepStack planes are not looked at. Where nothing is kept every number takes its
worst value. Memory beside the tokens is bounded: all-pairs products and sums run over blocks of a
fixed number of tokens.
"""

from evscli.evaluation.metrics.coverage import facility_location, k_center_radius, nearest_cosine
from evscli.evaluation.metrics.events import SourceEvent, event_cells
from evscli.evaluation.metrics.span import projection_residual
from evscli.evaluation.metrics.summary import Diagnostics, budget_entropy, diagnose, event_survival

__all__ = [
    "Diagnostics",
    "SourceEvent",
    "budget_entropy",
    "diagnose",
    "event_cells",
    "event_survival",
    "facility_location",
    "k_center_radius",
    "nearest_cosine",
    "projection_residual",
]
