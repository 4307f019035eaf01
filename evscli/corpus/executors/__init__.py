"""The executors of a run: one process, a pool of them on this machine, or a Ray cluster."""
