"""Methods and budgets side by side on one encoding of each video.

    measure.py  one video: masks, times, diagnostics   agreement.py  what the model says next
    truth.py    known events of a video                rows.py       means over videos, overlaps
    table.py    for terminals and Markdown             document.py   as JSON values
    plot.py     as a picture

It writes no store. Importing it imports nothing heavy.
"""
