"""What only the company of other scans tells of a scan: near copies, odd ones out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voxray.core.errors import UnreadableScanError
from voxray.core.records import ScanId, ScanRecord
from voxray.ingest.intake import IntakeOptions
from voxray.ingest.near_copies import NearCopy, find_near_copies, near_copy_findings
from voxray.ingest.pixels import PixelFacts
from voxray.ingest.scans import FoundScan, judged
from voxray.ingest.siblings import Traits, compare_siblings
from voxray.ingest.thumbnails import portrayal


@dataclass(frozen=True, slots=True)
class Company:
    """Scans with what their company tells of them.

    Attributes:
        scans: With findings; refused where the policy says so.
        notes: What the scans as a set show.
    """

    scans: tuple[FoundScan, ...]
    near_copies: tuple[NearCopy, ...] = ()
    notes: tuple[str, ...] = ()


def traits_of(scan: FoundScan, pixels: PixelFacts) -> Traits:
    """What a scan is compared by.

    Raises:
        UnreadableScanError: If its voxels were never read.
    """
    if pixels.look is None:
        raise UnreadableScanError(scan.scan_id, "its voxels were not read")
    header = scan.header
    body_part = (header.body_part if header else None) or ""
    manufacturer = (header.manufacturer if header else None) or ""
    return Traits(pixels.look, body_part, manufacturer, portrayal(scan))


def look_around(
    scans: Sequence[FoundScan],
    records: Sequence[ScanRecord],
    traits: Mapping[ScanId, Traits],
    options: IntakeOptions,
) -> Company:
    """Compare all usable scans with each other.

    When scoring, where copies are kept, nothing is compared: what is said of a scan
    must not depend on what else lies in the folder.

    Args:
        scans: All that were found.
        records: Of the usable ones.
        traits: Of every record.
        options: With the policy, and what is done with copies.
    """
    if options.duplicates == "keep":
        return Company(tuple(scans))
    origins = {scan.scan_id: scan.study_uid or scan.path.as_posix() for scan in scans}
    looks = {scan_id: trait.look for scan_id, trait in traits.items()}
    pairs = find_near_copies(records, looks, origins)
    siblings = compare_siblings(records, traits)
    near = near_copy_findings(pairs)
    told = tuple(
        judged(
            scan,
            [
                found[scan.scan_id]
                for found in (near, siblings.findings)
                if scan.scan_id in found
            ],
            options.rules.policy,
        )
        for scan in scans
    )
    return Company(told, pairs, siblings.notes)
