"""The rows of a Parquet file, a batch of one row group at a time. It needs the extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from evscli.errors import UsageError

ROWS_PER_BATCH = 10_000
"""The number of rows held as Python values at once."""


def parquet_rows(file: IO[bytes], name: str, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the `columns` of every row, as far as the file has them; others are not read.

    Tables of data sets hold captions, sizes and much else, so other columns are not a mistake here,
    as they are in a list that was written for `evs`. Raises UsageError for a file without the first
    of `columns`, one that is not Parquet, and where pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise UsageError(
            f"{name} needs a package that is not installed: pip install 'evscli[parquet]'"
        ) from error
    try:
        with ParquetFile(file) as table:
            there = table.schema_arrow.names
            if columns[0] not in there:
                raise UsageError(
                    f"{name} has no column {columns[0]} (it has {', '.join(there)}); rename the "
                    "one with the videos' paths"
                )
            wanted = [column for column in columns if column in there]
            for batch in table.iter_batches(batch_size=ROWS_PER_BATCH, columns=wanted):
                yield from batch.to_pylist()
    except (ArrowException, OSError) as error:
        raise UsageError(f"{name} is not a whole Parquet file ({error}); write it again") from error
