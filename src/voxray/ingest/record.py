"""A scan that passed every check as a row of the manifest."""

from voxray.core.errors import UnreadableScanError
from voxray.core.records import ExamId, ScanRecord
from voxray.ingest.matching import Matched
from voxray.ingest.pixels import PixelFacts
from voxray.ingest.scans import FoundScan
from voxray.scan_io import DicomHeader


def make_record(scan: FoundScan, matched: Matched, pixels: PixelFacts) -> ScanRecord:
    """Put together what headers, tables and voxels told of one scan.

    Raises:
        UnreadableScanError: If its voxels were never read.
    """
    if pixels.grid is None or pixels.sha256 is None:
        raise UnreadableScanError(scan.scan_id, "its voxels were not read")
    header = scan.header
    return ScanRecord(
        exam_id=scan.exam_id or ExamId(scan.scan_id),
        scan_id=scan.scan_id,
        channel=scan.channel,
        patient_id=matched.patients[scan.scan_id],
        study_id=matched.studies[scan.scan_id],
        modality=scan.modality,
        path=scan.path,
        mask_path=matched.masks.masks.get(scan.scan_id),
        grid=pixels.grid,
        sha256_pixels=pixels.sha256,
        state=scan.state,
        findings=scan.findings,
        site=header.institution if header else None,
        sex=header.patient_sex if header else None,
        age_years=header.patient_age_years if header else None,
        scanner=scanner_of(header) if header else None,
        labels=matched.labels.get(scan.scan_id, {}),
        meta=matched.meta.get(scan.scan_id, {}),
    )


def scanner_of(header: DicomHeader) -> str | None:
    """Manufacturer and model, which many machines share; never a serial number.

    A model that begins with the manufacturer's name stands alone.
    """
    maker, model = (
        " ".join((text or "").split())
        for text in (header.manufacturer, header.scanner_model)
    )
    if model.casefold().startswith(maker.casefold()):
        return model or None
    return f"{maker} {model}".strip()
