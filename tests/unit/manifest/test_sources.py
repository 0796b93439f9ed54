from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.manifest.makers import a_record
from voxray.core.errors import ManifestError
from voxray.core.findings import FindingCode
from voxray.core.records import FileFormat, ScanId, ScanSource
from voxray.manifest import read_sources

FILES = pa.schema([("path", pa.string()), ("size_bytes", pa.int64())])
SLICES = pa.schema(
    [
        ("scan_id", pa.string()),
        ("format", pa.string()),
        ("slice_index", pa.int32()),
        ("path", pa.string()),
        ("frame", pa.int32()),
        ("volume", pa.int32()),
        ("repairs", pa.string()),
    ]
)


def a_slice_row(path: str, slice_index: int = 0, **changes: Any) -> dict[str, Any]:
    plain = {"scan_id": "s1", "format": "dicom", "volume": 0, "repairs": ""}
    return plain | {"path": path, "slice_index": slice_index, "frame": None} | changes


def a_files_table(folder: Path, *rows: dict[str, Any]) -> Path:
    """Files of 4 bytes under `scans`, and the tables that list them."""
    for row in rows:
        path = folder / "scans" / row["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"scan")
    files = [{"path": row["path"], "size_bytes": 4} for row in rows]
    pq.write_table(pa.Table.from_pylist(files, FILES), folder / "files.parquet")
    pq.write_table(pa.Table.from_pylist(list(rows), SLICES), folder / "slices.parquet")
    return folder


def sources(folder: Path, scan_id: str = "s1") -> dict[ScanId, ScanSource]:
    return read_sources(folder, folder / "scans", [a_record(scan_id)])


def test_slices_are_given_in_order(tmp_path: Path) -> None:
    folder = a_files_table(tmp_path, a_slice_row("a", 1), a_slice_row("b", 0))

    source = sources(folder)[ScanId("s1")]

    assert source.format is FileFormat.DICOM
    assert [path.name for path in source.files] == ["b", "a"]
    assert source.frames == ()


def test_frames_of_one_file_are_given_with_its_repairs(tmp_path: Path) -> None:
    rows = [
        a_slice_row("a", k, frame=7 - k, repairs="gantry-tilt uneven-spacing")
        for k in range(3)
    ]

    source = sources(a_files_table(tmp_path, *rows))[ScanId("s1")]

    assert (len(source.files), source.frames) == (3, (7, 6, 5))
    assert source.repairs == (FindingCode.GANTRY_TILT, FindingCode.UNEVEN_SPACING)


def test_image_is_one_file(tmp_path: Path) -> None:
    row = a_slice_row("p/a.nii", format="nifti", volume=2)

    source = sources(a_files_table(tmp_path, row))[ScanId("s1")]

    file = tmp_path / "scans" / "p" / "a.nii"
    assert source == ScanSource(ScanId("s1"), FileFormat.NIFTI, (file,), volume=2)


def test_scan_folder_may_be_one_file(tmp_path: Path) -> None:
    folder = a_files_table(tmp_path, a_slice_row("a.nii"))
    path = folder / "scans" / "a.nii"

    assert read_sources(folder, path, [a_record()])[ScanId("s1")].files == (path,)


def test_scan_without_files_is_refused(tmp_path: Path) -> None:
    folder = a_files_table(tmp_path, a_slice_row("a"))

    with pytest.raises(ManifestError, match="scan 's9' has no file"):
        sources(folder, "s9")


def test_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    folder = a_files_table(tmp_path, a_slice_row("a"))
    (folder / "scans" / "a").unlink()

    with pytest.raises(ManifestError, match="scan 's1': a file is gone since ingest"):
        sources(folder)


def test_file_of_another_size_is_refused(tmp_path: Path) -> None:
    folder = a_files_table(tmp_path, a_slice_row("a"))
    (folder / "scans" / "a").write_bytes(b"longer")

    with pytest.raises(ManifestError, match="has 6 bytes, at ingest it had 4"):
        sources(folder)


@pytest.mark.parametrize("content", [None, b"no parquet"])
def test_table_that_cannot_be_read_says_what_to_run(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "files.parquet").write_bytes(content)

    with pytest.raises(ManifestError, match=r"run stage 1 \(ingest\) again"):
        sources(tmp_path)


def in_an_archive(folder: Path) -> Path:
    """Two slices in an archive of 4 bytes."""
    rows = [a_slice_row("a.zip/x", 0), a_slice_row("a.zip/y", 1)]
    sizes = [("a.zip", 4), ("a.zip/x", 9), ("a.zip/y", 9)]
    files = [{"path": name, "size_bytes": n_bytes} for name, n_bytes in sizes]
    pq.write_table(pa.Table.from_pylist(files, FILES), folder / "files.parquet")
    pq.write_table(pa.Table.from_pylist(rows, SLICES), folder / "slices.parquet")
    (folder / "scans").mkdir()
    (folder / "scans" / "a.zip").write_bytes(b"scan")
    return folder


def test_files_in_an_archive_are_checked_by_the_archive(tmp_path: Path) -> None:
    folder = in_an_archive(tmp_path)

    assert [p.name for p in sources(folder)[ScanId("s1")].files] == ["x", "y"]


def test_an_archive_of_another_size_is_refused(tmp_path: Path) -> None:
    folder = in_an_archive(tmp_path)
    (folder / "scans" / "a.zip").write_bytes(b"longer")
    with pytest.raises(ManifestError, match="has 6 bytes, at ingest it had 4"):
        sources(folder)
