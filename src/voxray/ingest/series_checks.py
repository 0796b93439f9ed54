"""Whether the slices of a series are images of one kind, whatever their order."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from voxray.core.findings import FindingCode
from voxray.core.records import Finding
from voxray.scan_io import SLICE_MODALITIES, DicomHeader

DIRECTION_TOLERANCE = 1e-3
UNIT_TOLERANCE = 1e-2
SIZE_TOLERANCE_MM = 1e-3
KIND_TOLERANCE = 0.01
THICK_TOLERANCE = 0.1

_SECONDARY_CAPTURES = {
    f"1.2.840.10008.5.1.4.1.1.7{end}" for end in ("", ".1", ".2", ".3", ".4")
}

_Check = Callable[[Sequence[DicomHeader]], Finding | None]


def check_series(headers: Sequence[DicomHeader]) -> Finding | None:
    """Find what spoils a whole series, however its slices are sorted into volumes."""
    return next((p for check in _SERIES_CHECKS if (p := check(headers))), None)


def check_alike(headers: Sequence[DicomHeader]) -> Finding | None:
    """Find slices that cannot share a volume with the others."""
    return next((p for check in _VOLUME_CHECKS if (p := check(headers))), None)


def _truncated(headers: Sequence[DicomHeader]) -> Finding | None:
    n_cut = sum(header.truncated for header in headers)
    if not n_cut:
        return None
    detail = f"{n_cut} of {len(headers)} images end before their pixels do"
    return Finding(FindingCode.TRUNCATED_FILE, detail)


def _mixed_patients(headers: Sequence[DicomHeader]) -> Finding | None:
    people = {(h.issuer_of_patient_id, h.patient_id) for h in headers}
    if len(people) == 1:
        return None
    detail = f"{len(people)} different patient ids in one series"
    return Finding(FindingCode.MIXED_PATIENTS, detail)


def _unsupported(headers: Sequence[DicomHeader]) -> Finding | None:
    reasons = [reason for header in headers if (reason := unsupported_reason(header))]
    if not reasons:
        return None
    first, n_images = reasons[0], len(headers)
    detail = first if n_images == 1 else f"{len(reasons)} of {n_images} images: {first}"
    return Finding(FindingCode.UNSUPPORTED_IMAGE, detail)


def unsupported_reason(header: DicomHeader) -> str | None:
    """Say why a file can be no part of a volume and no 2D image; None when it can."""
    n_frames = header.number_of_frames or 1
    whole_file = header.frame is None
    placed = header.position_lps_mm is not None
    modality = header.modality or ""
    reasons = {
        "no pixels": not header.has_pixels,
        "a mask, to be given as data.masks": modality in {"SEG", "RTSTRUCT"},
        "a dose or a map, no scan": modality in {"RTDOSE", "RTPLAN", "REG"},
        f"{n_frames} frames without a place: a film": n_frames > 1
        and (whole_file or not placed),
        "mosaic whose tiles the header does not place": "MOSAIC" in header.image_type
        and whole_file,
        f"colour image ({header.photometric}) of slices": not _is_grey(header)
        and placed,
        "a screenshot, not an image of the scanner": _is_screenshot(header),
    }
    reason = next((text for text, applies in reasons.items() if applies), None)
    return reason and f"{reason}, modality {header.modality or 'not stated'}"


def _is_screenshot(header: DicomHeader) -> bool:
    return (
        header.sop_class_uid in _SECONDARY_CAPTURES
        and header.modality in SLICE_MODALITIES
        and header.position_lps_mm is None
    )


def _is_grey(header: DicomHeader) -> bool:
    kind = header.photometric
    one_sample = (header.samples_per_pixel or 1) == 1
    return one_sample and (not kind or kind.startswith("MONOCHROME"))


def _missing_geometry(headers: Sequence[DicomHeader]) -> Finding | None:
    problems = [problem for header in headers if (problem := _geometry_problem(header))]
    if not problems:
        return None
    detail = f"{len(problems)} of {len(headers)} images: {problems[0]}"
    return Finding(FindingCode.MISSING_GEOMETRY, detail)


def _geometry_problem(header: DicomHeader) -> str | None:
    values = {
        "position": header.position_lps_mm,
        "orientation": header.orientation_lps,
        "pixel spacing": header.pixel_spacing_mm,
        "rows": header.rows,
        "columns": header.columns,
    }
    missing = [name for name, value in values.items() if not value]
    if missing:
        return f"no {' and no '.join(missing)}"
    return _plane_problem(header.orientation_lps, header.pixel_spacing_mm)


@lru_cache(maxsize=256)
def _plane_problem(
    orientation: tuple[float, ...] | None, spacing_mm: tuple[float, float] | None
) -> str | None:
    """Remembered, since the slices of a series say the same."""
    directions = np.array(orientation, dtype=float)
    if directions.shape != (6,):
        return f"the orientation has {directions.size} numbers instead of 6"
    row, column = directions.reshape(2, 3)
    lengths = np.linalg.norm([row, column], axis=1)
    if np.abs(lengths - 1).max() > UNIT_TOLERANCE or abs(row @ column) > UNIT_TOLERANCE:
        return "row and column directions are not two unit vectors at right angles"
    if min(spacing_mm or (0.0,)) <= 0:
        return "pixel spacing is not above 0 mm"
    return None


def _mixed_size(headers: Sequence[DicomHeader]) -> Finding | None:
    sizes = Counter((h.rows, h.columns) for h in headers)
    if len(sizes) > 1:
        shown = ", ".join(f"{r}x{c} ({n} slices)" for (r, c), n in sizes.most_common())
        return Finding(FindingCode.MIXED_SIZE, f"rows x columns differ: {shown}")
    spacings = np.array([h.pixel_spacing_mm for h in headers], dtype=float)
    low, high = spacings.min(axis=0), spacings.max(axis=0)
    if (high - low).max() <= SIZE_TOLERANCE_MM:
        return None
    axis = int((high - low).argmax())
    detail = f"pixel spacing runs from {low[axis]:.4g} to {high[axis]:.4g} mm"
    return Finding(FindingCode.MIXED_SIZE, detail)


def _mixed_orientation(headers: Sequence[DicomHeader]) -> Finding | None:
    directions = np.array([h.orientation_lps for h in headers], dtype=float)
    away = np.abs(directions - directions[0]).max(axis=1) > DIRECTION_TOLERANCE
    if not away.any():
        return None
    normals = np.cross(directions[:, :3], directions[:, 3:])
    angle = np.degrees(np.arccos(np.clip(np.abs(normals @ normals[0]), 0, 1))).max()
    detail = (
        f"{int(away.sum())} of {len(headers)} slices have another orientation than the "
        f"first; planes differ by up to {angle:.1f} degrees"
    )
    return Finding(FindingCode.MIXED_ORIENTATION, detail)


def _mixed_kind(headers: Sequence[DicomHeader]) -> Finding | None:
    """Find what a volume can have only one of, where it told no volumes apart."""
    for name, words in (
        ("frames of reference", {h.frame_of_reference_uid for h in headers}),
        ("studies", {h.study_instance_uid for h in headers}),
        ("modalities", {h.modality for h in headers}),
    ):
        if (n_words := len(words - {None})) > 1:
            detail = f"slices of {n_words} {name} in one volume"
            return Finding(FindingCode.CONFLICTING_SLICES, detail)
    return _mixed_numbers(headers)


def _mixed_numbers(headers: Sequence[DicomHeader]) -> Finding | None:
    for name, stated, tolerance in (
        ("echo times (ms)", [h.echo_time_ms for h in headers], KIND_TOLERANCE),
        ("b-values", [h.b_value for h in headers], KIND_TOLERANCE),
        ("thicknesses (mm)", [h.slice_thickness_mm for h in headers], THICK_TOLERANCE),
    ):
        numbers = [n for n in stated if n is not None]
        if numbers and max(numbers) - min(numbers) > tolerance * max(numbers):
            detail = (
                f"slices of {name} from {min(numbers):g} to {max(numbers):g} "
                "in one volume"
            )
            return Finding(FindingCode.CONFLICTING_SLICES, detail)
    return None


_SERIES_CHECKS: tuple[_Check, ...] = (
    _truncated,
    _mixed_patients,
    _unsupported,
    _missing_geometry,
)
_VOLUME_CHECKS: tuple[_Check, ...] = (_mixed_size, _mixed_orientation, _mixed_kind)
