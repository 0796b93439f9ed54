"""A folder of scans into records: the recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from voxray.core.errors import GeometryError, ScanError, VoxrayError
from voxray.core.findings import FindingCode
from voxray.core.ids import Pseudonymizer
from voxray.core.progress import Listener, ignore_progress
from voxray.core.records import (
    FileFormat,
    Finding,
    ScanId,
    ScanRecord,
    ScanSource,
)
from voxray.executor import map_tasks
from voxray.ingest.accounts import account_for
from voxray.ingest.alignment import check_aligned
from voxray.ingest.company import look_around, traits_of
from voxray.ingest.contents import read_contents
from voxray.ingest.copies import find_copies
from voxray.ingest.exams import assign_exams, keep_whole
from voxray.ingest.find import Facts, find_scans
from voxray.ingest.index import Index, opened_index
from voxray.ingest.intake import Intake, IntakeOptions
from voxray.ingest.known import KnownPixels
from voxray.ingest.labels import key_examples, permuted
from voxray.ingest.listing import (
    Listing,
    check_any_scan,
    list_files,
    with_dicom_masks,
)
from voxray.ingest.matching import Matched, match_all, rows_naming_exams
from voxray.ingest.overrides import (
    Overrides,
    overridden,
    read_overrides,
    unused_overrides,
)
from voxray.ingest.pixels import PixelFacts, PixelTask, inspect_pixels, unread
from voxray.ingest.record import make_record
from voxray.ingest.scans import FoundScan, judged, named, refused, usable
from voxray.ingest.thumbnails import MOST_THUMBNAILS, may_hold_text, portrayal
from voxray.scan_io import DicomHeader


def ingest_folder(
    options: IntakeOptions,
    pseudonymizer: Pseudonymizer,
    listen: Listener = ignore_progress,
) -> Intake:
    """Take in a folder: every file is accounted for, every volume judged, none altered.

    Headers are read once, then the voxels of each scan that is still good, one scan per
    worker at a time.

    Args:
        options: Where the scans are and what is needed of them.
        pseudonymizer: Makes the ids.
        listen: Told the progress of both passes.

    Raises:
        ConfigError: If a folder, the table or a column is missing, or there is no scan.
        DatasetError: If a rule of the data set as a whole is broken.
        MachineError: If a folder may not be read.
    """
    with opened_index(options.index) as index:
        return _ingest(options, pseudonymizer, listen, index)


def _ingest(
    options: IntakeOptions,
    pseudonymizer: Pseudonymizer,
    listen: Listener,
    index: Index,
) -> Intake:
    signed = read_overrides(options.overrides)
    listing = list_files(options)
    listing, facts = read_contents(listing, options.workers, listen, index)
    listing = with_dicom_masks(listing, facts, options)
    check_any_scan(listing, facts)
    to_sort = {path: facts[path] for path in listing.to_read}
    scans = named(find_scans(listing.root, to_sort, options.rules), pseudonymizer)
    scans = overridden(scans, signed, options.rules.policy)
    rows = rows_naming_exams(scans, options, pseudonymizer)
    scans = assign_exams(scans, options.rules, pseudonymizer, rows)
    matched = match_all(scans, listing, facts, options, pseudonymizer)
    pixels = _read_pixels(matched, (listing, facts), options, listen, index)
    scans = _judged_by_pixels(matched.scans, pixels, signed, options)
    scans = refused(
        scans, check_aligned(_records(scans, matched, pixels), options.rules)
    )
    copies = find_copies(_records(scans, matched, pixels), options.duplicates)
    scans = keep_whole(refused(scans, copies.refusals), options.rules)
    traits = {s.scan_id: traits_of(s, pixels[s.scan_id]) for s in usable(scans)}
    company = look_around(scans, _records(scans, matched, pixels), traits, options)
    scans = overridden(company.scans, signed, options.rules.policy)
    scans = keep_whole(scans, options.rules)
    accounts = account_for(listing, facts, scans, matched, pseudonymizer)
    return Intake(
        root=listing.root,
        records=_permuted(_records(scans, matched, pixels), options.permute_labels),
        sources={scan.scan_id: _source(scan, listing) for scan in usable(scans)},
        quarantine=accounts.quarantine,
        files=accounts.files,
        linkage=accounts.linkage,
        exams={s.scan_id: s.exam_id for s in scans if s.exam_id is not None},
        linked_patients=tuple(
            sorted({*copies.linked_patients, *matched.linked_patients})
        ),
        label_rows_without_scan=matched.rows_without_scan,
        label_row_examples=key_examples(matched.keys_without_scan, pseudonymizer),
        permuted_labels=options.permute_labels,
        unused_overrides=unused_overrides(scans, signed),
        near_copies=company.near_copies,
        traits=traits,
        notes=company.notes,
    )


def _source(scan: FoundScan, listing: Listing) -> ScanSource:
    return ScanSource(
        scan_id=scan.scan_id,
        format=scan.format,
        files=tuple(listing.root / path for path in scan.files),
        frames=scan.frames,
        volume=scan.volume if scan.format is FileFormat.NIFTI else 0,
        repairs=scan.repairs,
    )


def _records(
    scans: Sequence[FoundScan], matched: Matched, pixels: Mapping[ScanId, PixelFacts]
) -> tuple[ScanRecord, ...]:
    return tuple(make_record(s, matched, pixels[s.scan_id]) for s in usable(scans))


def _read_pixels(
    matched: Matched,
    contents: tuple[Listing, Facts],
    options: IntakeOptions,
    listen: Listener,
    index: Index,
) -> dict[ScanId, PixelFacts]:
    listing, facts = contents
    scans = usable(matched.scans)
    drawn = options.thumbnails if len(scans) <= MOST_THUMBNAILS else None
    tasks = [
        replace(
            _task(scan, matched, listing, options, drawn),
            headers=_headers(scan, facts),
        )
        for scan in scans
    ]
    known = KnownPixels(index, listing)
    pixels = known.of(tasks)
    results = map_tasks(
        inspect_pixels,
        [task for task in tasks if task.source.scan_id not in pixels],
        workers=options.workers,
        task="reading pixels",
        listen=listen,
    )
    for task, result in results:
        pixels[task.source.scan_id] = _facts(result)
        known.keep(task, pixels[task.source.scan_id])
    return pixels


def _headers(scan: FoundScan, facts: Facts) -> tuple[DicomHeader, ...]:
    """Headers of files of one slice, so that they are not read again."""
    headers = [facts[path].header for path in scan.files]
    known = tuple(header for header in headers if header is not None)
    return known if len(known) == len(headers) and not scan.frames else ()


def _task(
    scan: FoundScan,
    matched: Matched,
    listing: Listing,
    options: IntakeOptions,
    thumbnails: Path | None,
) -> PixelTask:
    mask = matched.masks.masks.get(scan.scan_id)
    path = options.masks / mask if options.masks and mask else None
    segment = options.task.segment if options.task else None
    classes = segment.classes.items() if segment else ()
    return PixelTask(
        source=_source(scan, listing),
        mask=path,
        mask_values={name: spec.value for name, spec in classes},
        may_hold_text=may_hold_text(scan),
        burned_in=scan.header.burned_in_annotation if scan.header else None,
        thumbnails=thumbnails,
        shown=portrayal(scan),
    )


def _facts(result: PixelFacts | VoxrayError) -> PixelFacts:
    if isinstance(result, GeometryError):
        return unread(Finding(FindingCode.MISSING_GEOMETRY, result.problem))
    if isinstance(result, ScanError):  # its process died
        return unread(Finding(FindingCode.UNDECODABLE_PIXELS, result.problem))
    if isinstance(result, VoxrayError):
        raise result
    return result


def _judged_by_pixels(
    scans: Sequence[FoundScan],
    pixels: Mapping[ScanId, PixelFacts],
    signed: Overrides,
    options: IntakeOptions,
) -> tuple[FoundScan, ...]:
    policy = options.rules.policy
    judged_scans = tuple(
        judged(scan, pixels[scan.scan_id].findings, policy)
        if scan.scan_id in pixels
        else scan
        for scan in scans
    )
    return keep_whole(overridden(judged_scans, signed, policy), options.rules)


def _permuted(
    records: tuple[ScanRecord, ...], seed: int | None
) -> tuple[ScanRecord, ...]:
    if seed is None:
        return records
    labels = {record.exam_id: record.labels for record in records}
    patients = {record.exam_id: record.patient_id for record in records}
    exchanged = permuted(labels, patients, seed)
    return tuple(replace(r, labels=exchanged[r.exam_id]) for r in records)
