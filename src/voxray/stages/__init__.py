"""Each stage reads files, calls packages and writes files; nothing else decides.

This module is light: it knows where a stage is, and loads it when it is asked for.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voxray.stages.frame import Stage

STAGE_NAMES = (
    "ingest",
    "preprocess",
    "split_folds",
    "train",
    "evaluate",
    "register_model",
    "score",
    "report",
)
"""In the order they run."""


def load_stage(name: str) -> "Stage":
    """Import the module of a stage and return its `STAGE`.

    Raises:
        KeyError: If `name` is none of `STAGE_NAMES`.
    """
    if name not in STAGE_NAMES:
        raise KeyError(name)
    stage: Stage = importlib.import_module(f"voxray.stages.{name}").STAGE
    return stage
