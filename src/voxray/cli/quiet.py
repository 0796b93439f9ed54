"""Libraries that talk on their own: silenced here, and heard with `--verbose`."""

import logging
import os
import warnings


def quiet_libraries(*, verbose: bool) -> None:
    """Keep libraries off the terminal, in this process and in worker processes.

    MONAI warns about nvImageCodec for every file, alembic tells every step of a new
    database, Lightning gives tips. With `verbose` all of it is shown.
    """
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
        return
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # noqa: TID251 - for workers
