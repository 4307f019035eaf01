"""Methods and budgets side by side on one encoding of each video.

    measure.py           one video: masks, times, diagnostics  rows.py  means, overlaps of masks
    agreement.py         what the model says next              run.py   many videos
    comparison.py        all of it together, as JSON           plot.py  as a picture
    store_dtype_loss.py  what a store's dtype does             table.py for terminals and Markdown

It writes no store. Importing it imports nothing heavy.
"""
