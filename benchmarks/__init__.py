"""Scripts that measure `evs`, one for each page of `benchmarks/results/`."""
