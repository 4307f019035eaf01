"""From what a person names to videos with ids, and to a local file of each.

    find.py      all inputs of a run         names.py     suffixes, names no store can keep
    found.py     videos, files left out      ids.py       ids by one of three rules, clashes
    paths.py     one input on this machine   urls.py      one input at an address
    folders.py   what a folder holds         remote.py    listing and reading by fsspec
    lists.py     lines, CSV, JSON lines      lookup.py    many addresses side by side
    parquet.py   the same from Parquet       rows.py      videos of a list's rows
    tars.py      members of a tar            attempts.py  what may pass is asked again
    fetch.py     a copy of what lies elsewhere

No video is opened here.
"""

from evscli.corpus.inputs.fetch import local_file, source_size
from evscli.corpus.inputs.find import find_videos
from evscli.corpus.inputs.found import LeftOut
from evscli.corpus.inputs.names import refuse_name

__all__ = ["LeftOut", "find_videos", "local_file", "refuse_name", "source_size"]
