import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from tests.makers import Series, write_nifti, write_series
from tests.unit.ingest.makers import codes, row_of, take_in
from voxray.core.errors import ConfigError
from voxray.ingest import Disposition, Intake


def zipped(path: Path, files: dict[str, Path]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in files.items():
            archive.write(file, name)
    return path


def tarred(path: Path, files: dict[str, Path], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, file in files.items():
            archive.add(file, name)
    return path


def series_of(folder: Path, **changes: Any) -> dict[str, Path]:
    files = write_series(folder / "made", Series(**changes))
    return {f"{changes.get('name', 'one')}/{file.name}": file for file in files}


def dispositions(intake: Intake) -> dict[str, Disposition]:
    return {row.path.as_posix(): row.disposition for row in intake.files}


def a_dicomdir(path: Path, *listed: str) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = (
        MediaStorageDirectoryStorage
    )
    dataset.SOPInstanceUID = "1.2.3"
    records = []
    for name in listed:
        record = Dataset()
        record.DirectoryRecordType = "IMAGE"
        record.ReferencedFileID = name.split("/")
        records.append(record)
    dataset.DirectoryRecordSequence = records
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("make", [zipped, tarred])
def test_series_in_an_archive_is_a_scan_and_every_file_has_a_row(
    tmp_path: Path, make: Any
) -> None:
    (tmp_path / "scans").mkdir()
    notes = tmp_path / "notes.txt"
    notes.write_text("x")
    make(tmp_path / "scans" / "export", series_of(tmp_path) | {"notes.txt": notes})

    intake = take_in(tmp_path / "scans")

    (record,) = intake.records
    assert record.path.as_posix() == "export/one"
    rows = dispositions(intake)
    assert rows.pop("export") == "archive"
    assert rows.pop("export/notes.txt") == "quarantined"
    assert set(rows.values()) == {"used"}
    assert len(rows) == 5
    assert codes(intake) == {"not-an-image": 1}


def test_series_may_lie_in_two_archives_and_a_folder(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    files = list(series_of(tmp_path).items())
    scans.mkdir()
    zipped(scans / "a.zip", dict(files[:2]))
    tarred(scans / "b.tar", dict(files[2:4]), "w")
    (scans / "IM").write_bytes(files[4][1].read_bytes())

    (record,) = take_in(scans).records

    assert record.grid.shape[2] == 5
    assert record.path.as_posix() == "."


def test_scan_has_one_hash_in_and_out_of_an_archive(tmp_path: Path) -> None:
    plain = write_nifti(tmp_path / "plain" / "a.nii.gz")
    (tmp_path / "packed").mkdir()
    zipped(tmp_path / "packed" / "a.zip", {"a.nii.gz": plain})

    hashes = {
        take_in(tmp_path / name).records[0].sha256_pixels
        for name in ("plain", "packed")
    }

    assert len(hashes) == 1


def test_archive_in_an_archive_is_not_opened(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", series_of(tmp_path))
    (tmp_path / "scans").mkdir()
    zipped(tmp_path / "scans" / "outer.zip", {"inner.zip": inner})

    intake = take_in(tmp_path / "scans")

    assert intake.records == ()
    row = row_of(intake, "unsafe-archive")
    assert row.path.as_posix() == "outer.zip/inner.zip"
    assert "inside an archive" in row.detail


def test_unsafe_archive_has_one_row_and_no_members(tmp_path: Path) -> None:
    write_nifti(tmp_path / "scans" / "a.nii.gz")
    zipped(tmp_path / "scans" / "x.zip", {"../../evil": tmp_path / "scans/a.nii.gz"})

    intake = take_in(tmp_path / "scans")

    assert dispositions(intake) == {"a.nii.gz": "used", "x.zip": "quarantined"}
    assert "leaves the archive" in row_of(intake, "unsafe-archive").detail


def test_folder_of_one_unsafe_archive_says_why(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and no more")
    assert codes(take_in(tmp_path)) == {"unsafe-archive": 1}


def test_folder_of_one_empty_archive_holds_no_scan(tmp_path: Path) -> None:
    zipped(tmp_path / "x.zip", {})
    with pytest.raises(ConfigError, match="1 files, none of them DICOM"):
        take_in(tmp_path)


def test_link_in_an_archive_has_a_row(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    tarred(tmp_path / "scans" / "a.tar", series_of(tmp_path), "w")
    with tarfile.open(tmp_path / "scans" / "a.tar", "a") as archive:
        link = tarfile.TarInfo("one/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)

    intake = take_in(tmp_path / "scans")

    assert len(intake.records) == 1
    assert row_of(intake, "unsafe-archive").path.as_posix() == "a.tar/one/link"


def test_odd_names_in_an_archive_have_rows(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    files = list(series_of(tmp_path).values())
    with tarfile.open(tmp_path / "scans" / "a.tar", "w") as archive:
        for name, file in zip(["a\nb", "x" * 300, "é", "1", "2"], files, strict=True):
            archive.add(file, name)
        info = tarfile.TarInfo(os.fsdecode(b"caf\xe9"))
        archive.addfile(info, io.BytesIO())

    intake = take_in(tmp_path / "scans")

    assert len(intake.records) == 1
    assert row_of(intake, "unreadable-file").path.name == "caf\\xe9"


def test_dicomdir_says_how_many_of_its_files_are_not_here(tmp_path: Path) -> None:
    files = write_series(tmp_path / "IMAGES", Series())
    here = [f"IMAGES/{file.stem.upper()}" for file in files]
    a_dicomdir(tmp_path / "DICOMDIR", *here, "IMAGES/GONE1", "IMAGES/GONE2")

    intake = take_in(tmp_path)

    assert len(intake.records) == 1
    detail = row_of(intake, "not-an-image").detail
    assert detail == "a DICOMDIR: a list of 7 files, 2 of them are not here"


def test_dicomdir_of_another_name_and_in_an_archive_is_a_list_too(
    tmp_path: Path,
) -> None:
    files = write_series(tmp_path / "made", Series())
    index = a_dicomdir(tmp_path / "index", *(f"IM/{f.stem.upper()}" for f in files))
    (tmp_path / "scans").mkdir()
    members = {f"d/IM/{f.name}": f for f in files} | {"d/index": index}
    zipped(tmp_path / "scans" / "a.zip", members)

    detail = row_of(take_in(tmp_path / "scans"), "not-an-image").detail

    assert detail == "a DICOMDIR: a list of 5 files, all of them here"


@pytest.mark.parametrize(
    "name", ["a\nb", "a,b\"c'", "x" * 255, "é" * 100, " ", "-rf", "\x01"]
)
def test_hostile_name_is_a_file_like_any_other(tmp_path: Path, name: str) -> None:
    write_nifti(tmp_path / "a.nii").rename(tmp_path / name)

    (record,) = take_in(tmp_path).records

    assert record.path.as_posix() == name


def test_path_too_long_to_open_has_a_row(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)

    intake = take_in(tmp_path)

    assert len(intake.records) == 1
    assert "too long" in row_of(intake, "unreadable-file").detail


def test_pipe_has_a_row_and_nobody_waits_for_it(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz")
    os.mkfifo(tmp_path / "pipe")

    intake = take_in(tmp_path)

    assert row_of(intake, "not-an-image").path.name == "pipe"


@pytest.mark.skipif(os.getuid() == 0, reason="root may read every file")
def test_file_that_may_not_be_read_has_a_row(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz")
    write_nifti(tmp_path / "b.nii.gz", seed=2).chmod(0)

    row = row_of(take_in(tmp_path), "unreadable-file")

    assert "Permission denied" in row.detail
