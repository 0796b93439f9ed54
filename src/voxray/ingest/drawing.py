"""Small pictures of the scans that a page shows, where none were drawn on reading."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxray.core.errors import ScanError, VoxrayError
from voxray.core.findings import FindingCode
from voxray.core.progress import Listener, ignore_progress
from voxray.core.records import ScanId, ScanRecord, ScanSource
from voxray.executor import map_tasks
from voxray.ingest.intake import Intake
from voxray.ingest.thumbnails import (
    Portrayal,
    may_be_drawn,
    thumbnail_name,
    write_thumbnail,
)
from voxray.scan_io import read_volume


@dataclass(frozen=True, slots=True)
class _DrawTask:
    source: ScanSource
    shown: Portrayal
    target: Path


def draw_missing(
    intake: Intake,
    wanted: Sequence[ScanId],
    folder: Path,
    workers: int = 1,
    listen: Listener = ignore_progress,
) -> dict[ScanId, Path]:
    """Draw the wanted scans that have no picture yet, and delete all other pictures.

    Args:
        intake: What was found.
        wanted: Scans that may be used.
        folder: Of the pictures; made when there is one.
        workers: Processes that read scans.
        listen: Told the progress.

    Returns:
        The picture of each scan that has one. One whose rule allows none, or that
        cannot be read any more, has none.

    Raises:
        MachineError: If the disk is full or the folder may not be written.
    """
    chosen = set(wanted)
    named = {
        record.scan_id: folder / _name(record, intake)
        for record in intake.records
        if record.scan_id in chosen and _allowed(record, intake)
    }
    _draw(intake, named, workers, listen)
    drawn = {scan_id: path for scan_id, path in named.items() if path.is_file()}
    _delete_others(folder, set(drawn.values()))
    return drawn


def _allowed(record: ScanRecord, intake: Intake) -> bool:
    has_text = any(f.code is FindingCode.BURNED_IN_TEXT for f in record.findings)
    return not has_text and may_be_drawn(
        record.grid, intake.traits[record.scan_id].shown
    )


def _name(record: ScanRecord, intake: Intake) -> str:
    shown = intake.traits[record.scan_id].shown
    return thumbnail_name(record.scan_id, record.sha256_pixels, shown)


def _draw(
    intake: Intake, named: dict[ScanId, Path], workers: int, listen: Listener
) -> None:
    tasks = [
        _DrawTask(intake.sources[scan_id], intake.traits[scan_id].shown, path)
        for scan_id, path in named.items()
        if not path.is_file()
    ]
    if not tasks:
        return
    results = map_tasks(
        _draw_one, tasks, workers=workers, task="drawing scans", listen=listen
    )
    for _, result in results:
        if isinstance(result, VoxrayError) and not isinstance(result, ScanError):
            raise result


def _draw_one(task: _DrawTask) -> None:
    write_thumbnail(read_volume(task.source), task.shown, task.target)


def _delete_others(folder: Path, kept: Collection[Path]) -> None:
    for path in folder.glob("*.png"):
        if path not in kept:
            path.unlink()
