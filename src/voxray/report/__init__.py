"""One HTML page and its figures, from records and arrays; the stage writes the files.

Nothing here reads a path or computes a result.
"""

from voxray.report.baselines import (
    Comparison,
    Verdict,
    baselines_line,
    comparisons,
    verdict,
)
from voxray.report.card import (
    ModelCard,
    pictures_section,
    range_in_words,
    render_card,
)
from voxray.report.class_rocs import draw_class_rocs
from voxray.report.compared import (
    TABLE_HEADER,
    about_in_words,
    compared_methods,
    compared_rows,
    compared_sentences,
)
from voxray.report.confusion import draw_confusion
from voxray.report.content import (
    ModelFacts,
    ReportContent,
    ReportFigure,
    SuspectScan,
    TrainingData,
    WorstMask,
)
from voxray.report.decided import decided_rows, registered_line, rule_in_words
from voxray.report.decision_curve import draw_decision_curves
from voxray.report.design_parts import part_rows, parts_line
from voxray.report.evidence_figures import (
    FoldHistory,
    draw_dice,
    draw_training,
)
from voxray.report.forest import draw_parts, draw_subgroups
from voxray.report.intake_content import (
    IntakeContent,
    SeenScan,
    SimilarPair,
    Thumbnail,
    UnusedScan,
)
from voxray.report.intake_page import render_intake_page, scans_on_page
from voxray.report.mask_figures import (
    LesionCurve,
    VolumePairs,
    draw_bland_altman,
    draw_froc,
)
from voxray.report.naming import png_size
from voxray.report.overlay import draw_overlay
from voxray.report.page import INDEX, render_report
from voxray.report.precision_recall import draw_precision_recall
from voxray.report.reliability import draw_reliability
from voxray.report.risk_coverage import draw_risk_coverage
from voxray.report.roc import RocCurve, RocPoint, draw_roc
from voxray.report.sheet import draw_sheet
from voxray.report.subgroups import subgroups_line
from voxray.report.tables import summary_line, wanted_overlays

__all__ = [
    "INDEX",
    "TABLE_HEADER",
    "Comparison",
    "FoldHistory",
    "IntakeContent",
    "LesionCurve",
    "ModelCard",
    "ModelFacts",
    "ReportContent",
    "ReportFigure",
    "RocCurve",
    "RocPoint",
    "SeenScan",
    "SimilarPair",
    "SuspectScan",
    "Thumbnail",
    "TrainingData",
    "UnusedScan",
    "Verdict",
    "VolumePairs",
    "WorstMask",
    "about_in_words",
    "baselines_line",
    "compared_methods",
    "compared_rows",
    "compared_sentences",
    "comparisons",
    "decided_rows",
    "draw_bland_altman",
    "draw_class_rocs",
    "draw_confusion",
    "draw_decision_curves",
    "draw_dice",
    "draw_froc",
    "draw_overlay",
    "draw_parts",
    "draw_precision_recall",
    "draw_reliability",
    "draw_risk_coverage",
    "draw_roc",
    "draw_sheet",
    "draw_subgroups",
    "draw_training",
    "part_rows",
    "parts_line",
    "pictures_section",
    "png_size",
    "range_in_words",
    "registered_line",
    "render_card",
    "render_intake_page",
    "render_report",
    "rule_in_words",
    "scans_on_page",
    "subgroups_line",
    "summary_line",
    "verdict",
    "wanted_overlays",
]
