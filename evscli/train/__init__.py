"""Training in general: a run that goes on bit for bit where it stopped, whatever learns.

    task.py     plan, learner and batches   checkpoint.py  a file, whole or not there
    learner.py  one step, and its state     loop.py        the run from its first or last step on

The package does not depend on a model, a method or data: a trainer hands in a `Task`.
"""
