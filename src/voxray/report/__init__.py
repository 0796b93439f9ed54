"""One HTML page and its figures, from records and arrays; the stage writes the files.

Nothing here reads a path or computes a result.
"""

from voxray.report.card import ModelCard, range_in_words, render_card
from voxray.report.content import (
    ModelFacts,
    ReportContent,
    ReportFigure,
    TrainingData,
)
from voxray.report.evidence_figures import (
    FoldHistory,
    RocCurve,
    RocPoint,
    draw_dice,
    draw_roc,
    draw_training,
)
from voxray.report.overlay import draw_overlay
from voxray.report.page import INDEX, render_report
from voxray.report.tables import summary_line, wanted_overlays

__all__ = [
    "INDEX",
    "FoldHistory",
    "ModelCard",
    "ModelFacts",
    "ReportContent",
    "ReportFigure",
    "RocCurve",
    "RocPoint",
    "TrainingData",
    "draw_dice",
    "draw_overlay",
    "draw_roc",
    "draw_training",
    "range_in_words",
    "render_card",
    "render_report",
    "summary_line",
    "wanted_overlays",
]
