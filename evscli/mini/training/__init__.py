"""The training of `mini` on procedural videos: plan, batches, prompts, forward, learner."""
