"""Pictures of what pruning kept: contact sheet, overlay video, HTML report.

    views.py   what is drawn, and its names          paint.py   what becomes of a picture's cells
    source.py  the file a record came from           cells.py   cells on pixels
    roots.py   where that is remembered              colours.py colours and scales
    frames.py  pictures of the source                scenes.py  cuts between scenes
    pick.py    which frames stand for all            strip.py   budgets over time
    text.py    writing on pictures                   facts.py   provenance and numbers
    sheet.py   PNG    overlay.py   MP4    report.py, jpegs.py, page/   HTML

It reads stores and sources and changes neither. Importing this page imports nothing.
"""
