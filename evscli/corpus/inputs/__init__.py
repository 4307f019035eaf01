"""The inputs of a run: videos with ids, and a local file of each.

- `find.py`: all inputs of a run
- `found.py`: videos, and files left out
- `names.py`: suffixes, and names that no store can keep
- `ids.py`: ids by one of three rules, and clashes
- `paths.py`: one input on this machine, such as a folder
- `urls.py`: one input at an address
- `remote.py`: listing and reading by fsspec, many in parallel
- `attempts.py`: requests that are tried again
- `lists.py`: lines, CSV, JSON lines and Parquet
- `rows.py`: the videos of a list's rows
- `tars.py`: members of a tar
- `fetch.py`: a copy of a remote or packed file

No video is opened here.
"""

from evscli.corpus.inputs.fetch import local_file, source_size
from evscli.corpus.inputs.find import find_videos
from evscli.corpus.inputs.found import LeftOut
from evscli.corpus.inputs.names import refuse_name

__all__ = ["LeftOut", "find_videos", "local_file", "refuse_name", "source_size"]
