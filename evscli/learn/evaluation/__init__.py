"""Accuracy against budget: questions asked of pruned videos, counted, tabled and plotted.

`results` counts answers whatever asked the questions; `multiple_choice` asks a user's questions of
any checkpoint.
"""
