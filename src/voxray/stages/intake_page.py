"""The HTML page of stage 1, and the pictures beside it."""

from collections import Counter
from pathlib import Path

import voxray
from voxray.core.files import write_text
from voxray.core.progress import Listener
from voxray.core.records import ScanId, ScanRecord
from voxray.ingest import Intake, Traits, draw_missing
from voxray.report import (
    IntakeContent,
    SeenScan,
    SimilarPair,
    Thumbnail,
    UnusedScan,
    png_size,
    render_intake_page,
    scans_on_page,
)

THUMBNAILS = "thumbnails"


def write_intake_page(
    intake: Intake, page: Path, workers: int, listen: Listener
) -> None:
    """Write the page, and draw what it shows.

    Args:
        intake: What was found.
        page: In a private folder, which gets the folder `thumbnails` too.
        workers: Processes that read scans whose picture is missing.
        listen: Told the progress.

    Raises:
        MachineError: If the disk is full or the folder may not be written.
    """
    scans = tuple(_seen(r, intake.traits[r.scan_id]) for r in intake.records)
    wanted = scans_on_page(scans)
    drawn = draw_missing(intake, wanted, page.with_name(THUMBNAILS), workers, listen)
    content = IntakeContent(
        voxray_version=voxray.__version__,
        files=dict(sorted(Counter(str(f.disposition) for f in intake.files).items())),
        scans=scans,
        thumbnails=_thumbnails(drawn),
        unused=tuple(
            UnusedScan(row.scan_id, row.code, row.detail) for row in intake.quarantine
        ),
        near_copies=_pairs(intake),
        linked_patients=intake.linked_patients,
        label_rows_without_scan=intake.label_rows_without_scan,
        label_row_examples=intake.label_row_examples,
        notes=intake.notes,
    )
    write_text(page, render_intake_page(content))


def _seen(record: ScanRecord, traits: Traits) -> SeenScan:
    order, _ = record.grid.axes_to_ras()
    shape = record.grid.shape
    left, front, head = order
    voxels = (shape[left], shape[front], shape[head])
    mm = record.grid.spacing_mm
    look = traits.look
    return SeenScan(
        record=record,
        extent_mm=look.extent_mm,
        spacing_mm=(_across(shape[left], mm[left]), _across(shape[front], mm[front]),
                    _across(shape[head], mm[head])),
        voxels=voxels,
        p0_5=look.p0_5,
        p50=look.p50,
        p99_5=look.p99_5,
        body_part=traits.body_part,
        manufacturer=traits.manufacturer,
    )  # fmt: skip


def _across(n_voxels: int, spacing_mm: float) -> float | None:
    """Voxel size along an axis; a plane has none across."""
    return spacing_mm if n_voxels > 1 else None


def _thumbnails(drawn: dict[ScanId, Path]) -> dict[ScanId, Thumbnail]:
    return {
        scan_id: Thumbnail(f"{THUMBNAILS}/{path.name}", *png_size(path.read_bytes()))
        for scan_id, path in drawn.items()
    }


def _pairs(intake: Intake) -> tuple[SimilarPair, ...]:
    return tuple(
        SimilarPair(
            scan_id=pair.scan_id,
            other_scan_id=pair.other_scan_id,
            patient_id=pair.patient_id,
            other_patient_id=pair.other_patient_id,
            distance=pair.distance,
            correlation=pair.correlation,
        )
        for pair in intake.near_copies
    )
