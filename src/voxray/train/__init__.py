"""One readable loop that trains a fold, for masks, classes or both."""

from voxray.train.batches import TrainingExam
from voxray.train.fold import (
    HISTORY_FILE,
    NETWORK_FILE,
    SCHEDULE_FILE,
    EpochRow,
    FoldJob,
    FoldResult,
    fit_fold,
)
from voxray.train.schedule import Schedule
from voxray.train.seeding import FoldSeed

__all__ = [
    "HISTORY_FILE",
    "NETWORK_FILE",
    "SCHEDULE_FILE",
    "EpochRow",
    "FoldJob",
    "FoldResult",
    "FoldSeed",
    "Schedule",
    "TrainingExam",
    "fit_fold",
]
