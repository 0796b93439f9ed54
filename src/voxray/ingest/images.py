"""What a header says of the kind of an image: a scout, a computed one, a picture."""

import re
from collections.abc import Sequence

from voxray.core.findings import FindingCode
from voxray.core.records import Finding
from voxray.ingest.stack import unsupported_reason
from voxray.scan_io import DicomHeader, grey_facts

_SCOUT = re.compile(
    r"(?<![a-z])(localizer|localiser|scout|topogram|survey|3[- ]?plane)(?![a-z])",
    re.IGNORECASE,
)
_MOST_SCOUT_SLICES = 60


def kind_findings(headers: Sequence[DicomHeader]) -> list[Finding]:
    """Say whether slices are a scout view or computed, and how their grey is stored.

    Args:
        headers: Of one volume.
    """
    first = headers[0]
    findings = []
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
    findings = []
    if not (header.pixel_spacing_mm or header.imager_pixel_spacing_mm):
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
