"""Procedural videos with questions whose answers are known: what `mini` learns from.

Everything follows from a seed and a number, with numpy alone. Knows no model and no tokenizer.
"""
