"""Training in general: a run that goes on bit for bit where it stopped, whatever learns.

    task.py     what a trainer brings       checkpoint.py  a file, whole or not there
    learner.py  one step, and its state     report.py      what a finished run says
    loop.py     the run from its first or last step on, with reports and checkpoints

It knows no model, no method and no data: who trains something hands in a `Task`.
"""
