"""From a folder of files to usable scans, and a reason for every other one."""

from voxray.ingest.drawing import draw_missing
from voxray.ingest.folder import ingest_folder
from voxray.ingest.index import INDEX_FILE
from voxray.ingest.intake import (
    Disposition,
    FileRow,
    Intake,
    IntakeOptions,
    LinkageRow,
)
from voxray.ingest.looks import Look
from voxray.ingest.output import summary, write_intake
from voxray.ingest.siblings import Traits

__all__ = [
    "INDEX_FILE",
    "Disposition",
    "FileRow",
    "Intake",
    "IntakeOptions",
    "LinkageRow",
    "Look",
    "Traits",
    "draw_missing",
    "ingest_folder",
    "summary",
    "write_intake",
]
