"""Pictures of what pruning kept: contact sheet, overlay video, HTML report.

    views.py   selections to draw, with names    paint.py   kept and dropped cells on a picture
    source.py  the file a record came from       colours.py colours and scales
    frames.py  pictures of the source, and cuts  strip.py   budgets over time
    text.py    writing on pictures               sheet.py   PNG    overlay.py   MP4
    report.py, jpegs.py, page/   HTML, with provenance and numbers

Rendering reads stores and sources and changes neither. Importing this package imports nothing.
"""
