"""Methods and budgets side by side on one encoding of each video.

measure.py           one video: masks, times, diagnostics    comparison.py  means, overlaps
agreement.py         what the model says next
store_dtype_loss.py  what a store's dtype does to that
"""
