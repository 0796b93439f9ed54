"""What every file of a listing is, those in archives included."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from voxray.core.errors import UnreadableScanError
from voxray.core.files import machine_errors
from voxray.core.findings import FindingCode
from voxray.core.progress import Listener
from voxray.core.records import Finding
from voxray.ingest.headers import FileFacts, read_headers
from voxray.ingest.index import Index
from voxray.ingest.listing import Listing
from voxray.ingest.walk import FoundFile, name_problem, printable
from voxray.scan_io import FileKind, list_archive

_ISO_SUFFIXES = ("", ".dcm", ";1", ".;1")
"""What copying from a disc adds to the names in a DICOMDIR (ISO 9660)."""


def read_contents(
    listing: Listing, workers: int, listen: Listener, index: Index
) -> tuple[Listing, dict[PurePosixPath, FileFacts]]:
    """Read the header of every file and of every file in an archive.

    Args:
        listing: Of the scan folder.
        workers: Processes.
        listen: Gets progress events.
        index: What earlier runs read.

    Returns:
        The listing with the members of archives, and what each file is. An archive in
        an archive is not opened.

    Raises:
        MachineError: If there is no room to unpack an archive.
    """
    root = listing.root
    facts = read_headers(root, listing.may_be_scans, workers, listen, index)
    members = []
    for file in listing.may_be_scans:
        if facts[file.path].kind is FileKind.ARCHIVE:
            try:
                members += _members(root, file)
            except UnreadableScanError as error:
                facts[file.path] = _unsafe(error.problem)
    inside = [member for member in members if not member.problem]
    if members:
        found = read_headers(root, inside, workers, listen, index)
        facts |= {path: _not_nested(fact) for path, fact in found.items()}
    listing = listing.with_members(members)
    return listing, facts | dict(_directories(listing, facts))


def _members(root: Path, archive: FoundFile) -> list[FoundFile]:
    """Files in an archive, under its path.

    Raises:
        UnreadableScanError: If it is not safe to read.
        MachineError: If there is no room to unpack it.
    """
    with machine_errors(Path("an archive")):
        members = list_archive(root / archive.path)
    return [
        FoundFile(
            path=archive.path / printable(member.name),
            size_bytes=member.size_bytes,
            mtime_ns=archive.mtime_ns,
            problem=_problem(member.problem) or name_problem(member.name),
            ctime_ns=archive.ctime_ns,
        )
        for member in members
    ]


def _problem(text: str | None) -> Finding | None:
    return None if text is None else Finding(FindingCode.UNSAFE_ARCHIVE, text)


def _unsafe(text: str) -> FileFacts:
    return FileFacts(FileKind.ARCHIVE, problem=_problem(text))


def _not_nested(facts: FileFacts) -> FileFacts:
    if facts.kind is not FileKind.ARCHIVE:
        return facts
    return _unsafe("an archive inside an archive is not opened")


def _directories(
    listing: Listing, facts: dict[PurePosixPath, FileFacts]
) -> Iterator[tuple[PurePosixPath, FileFacts]]:
    """Say of each DICOMDIR how many of the files it names are not there."""
    directories = [path for path, fact in facts.items() if fact.listed]
    if not directories:
        return
    names = {file.path.as_posix().lower() for file in listing.files}
    for path in directories:
        listed = [
            (path.parent / name).as_posix().lower() for name in facts[path].listed
        ]
        n_gone = sum(not any(n + end in names for end in _ISO_SUFFIXES) for n in listed)
        detail = f"a DICOMDIR: a list of {len(listed)} files"
        detail += f", {n_gone} of them are not here" if n_gone else ", all of them here"
        problem = Finding(FindingCode.NOT_AN_IMAGE, detail)
        yield path, replace(facts[path], problem=problem)
