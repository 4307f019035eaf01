"""The mathematics that several methods share. Importing it imports torch.

frames.py  walks over tokens      frame_change.py  change since the frame before
cosines.py a question's words     ranking.py       from scores to masks
allocation.py budgets of frames   spread.py        even positions
"""
