"""How `mini` learns from procedural videos: plan, batches, prompts, forward, objective."""
