"""Tables of a run, as files that a person opens from its page."""

import io

import pandas as pd

_PREVIEW_ROWS = 2000


def table_files(name: str, table: pd.DataFrame) -> dict[str, bytes]:
    """A table as Parquet, and its first 2000 rows as CSV.

    The UI shows CSV but not Parquet.
    """
    stream = io.BytesIO()
    table.to_parquet(stream, index=False)
    preview = table.head(_PREVIEW_ROWS).to_csv(index=False, lineterminator="\n")
    return {
        f"{name}.parquet": stream.getvalue(),
        f"{name}.csv": preview.encode(),
    }
