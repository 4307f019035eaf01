"""Methods and budgets side by side on one encoding of each video.

    measure.py     one video: masks, times, diagnostics   rows.py       means, overlaps of masks
    truth.py       known events of a video                agreement.py  what the model says next
    comparison.py  all of it together, as JSON            run.py        many videos
    table.py       for terminals and Markdown             plot.py       as a picture

It writes no store. Importing it imports nothing heavy.
"""
