"""From stored values to grey values in which bright is high."""

from voxray.core.findings import FindingCode
from voxray.scan_io.dicom.header import DicomHeader


def grey_facts(header: DicomHeader) -> dict[FindingCode, str]:
    """Say how the stored values of a file become grey, with the detail of each."""
    del header
    return {}
