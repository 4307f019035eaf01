"""The training of an STTS scorer (arXiv 2603.18004), alone or with the model that it prunes for.

plan.py     all settings of a run        model.py    scorer and checkpoint, and their losses
batches.py  videos as patches, by step   learner.py  one step
module.py   the scorer's weights         result.py   the file of a scorer
passes.py   a differentiable encoder     task.py     checkpoint, learner and batches together
"""
