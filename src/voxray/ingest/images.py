"""What a header says of the kind of an image: a scout, a computed one, a picture."""

import re
from collections.abc import Sequence
from pathlib import Path

from voxray.core.errors import TooLargeError, UnreadableScanError
from voxray.core.findings import FindingCode
from voxray.core.records import Finding
from voxray.ingest.series_checks import unsupported_reason
from voxray.scan_io import (
    DicomHeader,
    grey_facts,
    pixel_size_mm,
    read_picture_facts,
    size_problem,
)

_SCOUT = re.compile(
    r"(?<![a-z])(localizer|localiser|scout|topogram|survey|3[- ]?plane)(?![a-z])",
    re.IGNORECASE,
)
_MOST_SCOUT_SLICES = 60


def kind_findings(headers: Sequence[DicomHeader]) -> list[Finding]:
    """Say whether slices are too many, a scout view or computed, and of which grey.

    Args:
        headers: Of one volume.
    """
    first = headers[0]
    findings = size_findings((first.columns or 0, first.rows or 0, len(headers)))
    if reason := _scout_reason(first, len(headers)):
        findings.append(Finding(FindingCode.LOCALIZER, reason))
    if first.image_type[:1] == ("DERIVED",):
        detail = "image type " + ", ".join(first.image_type[:4])
        findings.append(Finding(FindingCode.DERIVED_IMAGE, detail))
    return [*findings, *grey_findings(headers)]


def _scout_reason(header: DicomHeader, n_slices: int) -> str | None:
    if "LOCALIZER" in header.image_type:
        return "the image type says localizer"
    description = header.series_description or header.protocol_name or ""
    word = _SCOUT.search(description)
    if word and n_slices <= _MOST_SCOUT_SLICES:
        return f"the description says {word[0].lower()!r}, {n_slices} slices"
    return None


def image_findings(header: DicomHeader) -> list[Finding]:
    """Check a 2D image: can it be read, and what is not known of it."""
    if header.truncated:
        detail = "the file ends before its pixels do"
        return [Finding(FindingCode.TRUNCATED_FILE, detail)]
    if reason := unsupported_reason(header):
        return [Finding(FindingCode.UNSUPPORTED_IMAGE, reason)]
    findings = size_findings((header.columns or 0, header.rows or 0, 1))
    if pixel_size_mm(header) is None:
        detail = "the header states no pixel spacing"
        findings.append(Finding(FindingCode.NO_GEOMETRY, detail))
    return [*findings, *grey_findings([header])]


def grey_findings(headers: Sequence[DicomHeader]) -> list[Finding]:
    """How stored values become grey values, once per volume."""
    seen: dict[FindingCode, str] = {}
    for header in headers:
        for code, detail in grey_facts(header).items():
            seen.setdefault(code, detail)
    return [Finding(code, detail) for code, detail in seen.items()]


def size_findings(shape: Sequence[int]) -> list[Finding]:
    """Say if the header declares more voxels than the bound for one scan."""
    problem = size_problem(shape)
    return [] if problem is None else [Finding(FindingCode.TOO_LARGE, problem)]


def picture_findings(path: Path) -> tuple[Finding | None, tuple[Finding, ...]]:
    """Check the header of a PNG or JPEG file.

    Returns:
        Why it cannot be used, or None; what else is to be known of it.
    """
    try:
        facts = read_picture_facts(path)
    except TooLargeError as error:
        return Finding(FindingCode.TOO_LARGE, error.problem), ()
    except UnreadableScanError as error:
        return Finding(FindingCode.UNREADABLE_FILE, error.problem), ()
    detail = "a picture file; pixels of 1 mm are assumed"
    if facts.is_turned:
        detail += "; turned upright as its EXIF orientation says"
    findings = [Finding(FindingCode.NO_GEOMETRY, detail)]
    if facts.colours is not None:
        detail = f"{facts.colours}; luminance is 0.299 red + 0.587 green + 0.114 blue"
        findings.append(Finding(FindingCode.COLOUR_TO_GREY, detail))
    return None, tuple(findings)
