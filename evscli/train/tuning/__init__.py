"""Training of checkpoints as they are: what uptraining and the training of a scorer share.

    plan.py           settings of a run           learner.py  one step, whatever its loss
    conversations.py  the lines of a file         answers.py  the loss of what the assistant says
    weights.py        what learns of a checkpoint result.py   the checkpoint folder

Optimiser, mixed precision and several processes are those of accelerate, adapters those of peft.
"""
