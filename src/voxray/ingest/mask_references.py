"""Which volumes a DICOM mask was drawn on, by the UIDs it refers to."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeVar

from voxray.core.findings import FindingCode
from voxray.core.records import Finding, ScanId
from voxray.ingest.scans import FoundScan
from voxray.scan_io import DicomHeader, MaskReferences

Headers = Mapping[PurePosixPath, DicomHeader]
"""Of DICOM files, by path relative to the scan folder."""

_Instance = tuple[str, int | None]
_Key = TypeVar("_Key", str, _Instance)


def drawn_on(
    masks: Mapping[PurePosixPath, MaskReferences],
    scans: Sequence[FoundScan],
    headers: Headers,
    channel: str,
) -> dict[PurePosixPath, tuple[FoundScan, ...]]:
    """Find the volumes of each mask.

    Args:
        masks: References by path of the mask.
        scans: Good and refused ones.
        headers: Of their files.
        channel: Of several volumes, those in this channel count, if any is.

    Returns:
        By path; a mask that refers to none is absent. Several only when nothing tells
        them apart.
    """
    if not masks:
        return {}
    by_instance: dict[_Instance, list[FoundScan]] = defaultdict(list)
    by_series: dict[str, list[FoundScan]] = defaultdict(list)
    for scan in scans:
        by_series[scan.series_uid].append(scan)
        for instance in set(_instances(scan, headers)):
            by_instance[instance].append(scan)
    found = {}
    for path, mask in masks.items():
        hits = (
            _all(by_instance, mask.drawn_on)
            or _all(by_instance, mask.listed)
            or _all(by_series, mask.series)
        )
        if hits:
            found[path] = _foremost(hits, channel)
    return found


def _instances(scan: FoundScan, headers: Headers) -> Iterator[_Instance]:
    """What a mask may call the images of a scan; frames count from 1."""
    for index, path in enumerate(scan.files):
        uid = headers[path].sop_instance_uid if path in headers else None
        if uid is not None:
            yield uid, None
            yield uid, scan.frames[index] + 1 if scan.frames else 1


def _all(
    index: Mapping[_Key, list[FoundScan]], keys: frozenset[_Key]
) -> dict[ScanId, FoundScan]:
    return {scan.scan_id: scan for key in keys for scan in index.get(key, ())}


def _foremost(hits: Mapping[ScanId, FoundScan], channel: str) -> tuple[FoundScan, ...]:
    """Good volumes before refused ones, and of these the wanted channel first."""
    scans = sorted(hits.values(), key=lambda scan: scan.sort_key)
    good = [scan for scan in scans if scan.refusal is None]
    first = [scan for scan in good if scan.channel == channel]
    return tuple(first or good or scans)


def other_place(scan: FoundScan, mask: MaskReferences | None) -> Finding | None:
    """Refuse a mask that says it lies in another frame of reference than its scan."""
    frame = scan.header.frame_of_reference_uid if scan.header else None
    if mask is None or frame is None or not mask.frames or frame in mask.frames:
        return None
    detail = "mask and scan lie in different frames of reference"
    return Finding(FindingCode.MASK_GEOMETRY, detail)
