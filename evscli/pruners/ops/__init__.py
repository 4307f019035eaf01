"""The mathematics that several methods share. It knows tensors and no method, and imports torch.

frames.py  walks over tokens      frame_change.py  what changed since the frame before
cosines.py a question's words     ranking.py       from scores to masks
allocation.py budgets of frames   spread.py        even positions
"""
