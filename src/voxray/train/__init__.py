"""One readable loop that trains a fold, for masks, classes or both."""

from voxray.train.batches import TrainingExam
from voxray.train.checkpoint import drop_state
from voxray.train.clean_up import fit_clean_up
from voxray.train.fold import (
    HISTORY_FILE,
    NETWORK_FILE,
    SCHEDULE_FILE,
    EpochRow,
    FoldJob,
    FoldResult,
    fit_fold,
    read_result,
)
from voxray.train.schedule import Schedule, Segment
from voxray.train.seeding import FoldSeed
from voxray.train.stopwatch import limit_in_words

__all__ = [
    "HISTORY_FILE",
    "NETWORK_FILE",
    "SCHEDULE_FILE",
    "EpochRow",
    "FoldJob",
    "FoldResult",
    "FoldSeed",
    "Schedule",
    "Segment",
    "TrainingExam",
    "drop_state",
    "fit_clean_up",
    "fit_fold",
    "limit_in_words",
    "read_result",
]
