"""Methods and budgets side by side on one encoding of each video.

measure.py           one video: masks, times, diagnostics    comparison.py  means, overlaps
agreement.py         the language model's next token
store_dtype_loss.py  the effect of a store's dtype on the next token
"""
