"""Decoding in child processes, which a damaged video may crash or block.

children.py  what is imported once       decoder.py  what a child does
wire.py      what travels to and fro     process.py  one child as the run sees it
ahead.py     several videos ahead of their use, in order
"""
