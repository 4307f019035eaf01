"""Procedural videos with questions whose answers are known, on which `mini` is trained.

Everything follows from a seed and a number, with numpy alone.
"""
