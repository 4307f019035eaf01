"""Trains `mini` on procedural videos: prompts, batches, forward, objective, checkpoints, loop."""
