"""Score a folder of new scans with a model folder; one bad scan never stops it."""

from voxray.score.folder import ScoreRequest, ScoreSummary, score_folder
from voxray.score.references import range_problem
from voxray.score.table import read_scores, write_scores

__all__ = [
    "ScoreRequest",
    "ScoreSummary",
    "range_problem",
    "read_scores",
    "score_folder",
    "write_scores",
]
