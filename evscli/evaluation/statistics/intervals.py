"""95 % confidence intervals for accuracies over questions that share videos.

Questions about one video are not independent: the videos are what was sampled, so the spread
between videos decides (clustered standard errors, Miller 2024, arXiv 2411.00640). Both intervals
are closed forms. A percentile bootstrap over videos was compared with them in simulation and
covers the truth less often where it matters here, at accuracies near 1 and for methods that change
few answers: with little to resample its interval shrinks to a point. The tests repeat the
comparison.

Neither interval includes the variance of a random method's draw beyond that between videos.
"""

from __future__ import annotations

import numpy as np

from evscli.records import IntArray

Z = 1.959963984540054
"""The two-sided 95 % quantile of the normal distribution."""


def accuracy_interval(correct: IntArray, asked: IntArray) -> tuple[float, float]:
    """Return bounds of the share of right answers. `correct` and `asked` are counts by video, [V].

    The bounds are Wilson's score interval (JASA 22, 1927) with the effective sample size in place
    of the number of questions, the form that Franco, Little, Louis and Slud (J. Survey Statistics
    and Methodology 7, 2019) recommend for clustered data.
    """
    size = effective_size(correct, asked)
    share = correct.sum() / asked.sum()
    centre = (share + Z * Z / (2 * size)) / (1 + Z * Z / size)
    spread = np.sqrt(share * (1 - share) / size + Z * Z / (4 * size * size))
    half = Z / (1 + Z * Z / size) * spread
    # Rounding must not put the share itself outside.
    return float(min(max(0, centre - half), share)), float(max(min(1, centre + half), share))


def effective_size(correct: IntArray, asked: IntArray) -> float:
    """Return the number of independent questions that estimate the share as well as these.

    It is the number of questions divided by the design effect, estimated from the spread between
    videos. Where there is no spread at all, as when every answer is right, dependence within a
    video cannot be estimated, and every video counts as one question.
    """
    videos, total, right = len(asked), int(asked.sum()), int(correct.sum())
    # The sums are whole numbers, so that no spread is exactly 0.
    residual = correct * total - right * asked
    if videos == 1 or not residual.any():
        return float(videos)
    variance = videos / (videos - 1) * float((residual / total**2) @ (residual / total**2))
    share = right / total
    return min(max(share * (1 - share) / variance, 1.0), float(total))


def difference_interval(gained: IntArray, asked: IntArray) -> tuple[float, float]:
    """Return bounds of the difference between two selections' shares of right answers.

    The interval is paired: `gained` [V] counts how many more of a video's questions the first got
    right, `asked` [V] the questions of both. Two imaginary videos of one question each are added,
    one won and one lost, as the adjusted Wald interval for paired proportions does (Bonett and
    Price, J. Educational and Behavioral Statistics 37, 2012), so that few or no changed answers do
    not pass for certainty. The spread is that between videos.
    """
    gained, asked = np.append(gained, [1, -1]), np.append(asked, [1, 1])
    videos, total = len(asked), asked.sum()
    mean = gained.sum() / total
    residual = gained - mean * asked
    half = Z * np.sqrt(videos / (videos - 1) * (residual @ residual)) / total
    return max(-1.0, float(mean - half)), min(1.0, float(mean + half))
