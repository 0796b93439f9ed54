"""Score a folder of new scans with a model folder; one bad scan never stops it."""

from voxray.score.exam import FoundExam, Scorer, score_exam
from voxray.score.folder import (
    SCORES_FILE,
    SOURCES_FILE,
    SUMMARY_FILE,
    ScoreSummary,
    score_folder,
    scored_model,
)
from voxray.score.references import range_problem, value_problem
from voxray.score.request import Known, ScoreRequest
from voxray.score.table import ScoreColumns, read_scores, write_scores

__all__ = [
    "SCORES_FILE",
    "SOURCES_FILE",
    "SUMMARY_FILE",
    "FoundExam",
    "Known",
    "ScoreColumns",
    "ScoreRequest",
    "ScoreSummary",
    "Scorer",
    "range_problem",
    "read_scores",
    "score_exam",
    "score_folder",
    "scored_model",
    "value_problem",
    "write_scores",
]
