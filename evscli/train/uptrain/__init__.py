"""Uptraining: a language model learns from conversations about pruned videos, at many rates.

    plan.py     all settings of a run       learner.py  one step of the language part
    batches.py  pruned batches by step      task.py     checkpoint, learner and batches together

After EVS (arXiv 2510.14624): the pruning rate of every batch is drawn, so that one model keeps its
accuracy at all of them. The vision tower stays as it is, and stored tokens valid.
"""
