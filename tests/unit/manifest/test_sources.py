from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.manifest.makers import a_record
from voxray.core.errors import ManifestError
from voxray.core.records import FileFormat, ScanId, ScanSource
from voxray.manifest import read_sources


def a_files_table(folder: Path, *rows: tuple[str, str, int | None]) -> Path:
    """Scans of 4 bytes under `scans`, and `files.parquet` that lists them."""
    table = []
    for name, disposition, slice_index in rows:
        path = folder / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"scan")
        table.append(
            {
                "path": name,
                "kind": "nifti" if slice_index is None else "dicom",
                "size_bytes": 4,
                "disposition": disposition,
                "scan_id": "s1",
                "slice_index": slice_index,
            }
        )
    schema = pa.schema(
        [
            ("path", pa.string()),
            ("kind", pa.string()),
            ("size_bytes", pa.int64()),
            ("disposition", pa.string()),
            ("scan_id", pa.string()),
            ("slice_index", pa.int32()),
        ]
    )
    pq.write_table(pa.Table.from_pylist(table, schema), folder / "files.parquet")
    return folder


def sources(folder: Path, scan_id: str = "s1") -> dict[ScanId, ScanSource]:
    return read_sources(folder, folder / "scans", [a_record(scan_id)])


def test_slices_are_given_in_order_and_copies_left_out(tmp_path: Path) -> None:
    folder = a_files_table(
        tmp_path, ("a", "used", 1), ("b", "used", 0), ("c", "duplicate", 0)
    )

    source = sources(folder)[ScanId("s1")]

    assert source.format is FileFormat.DICOM
    assert [path.name for path in source.files] == ["b", "a"]


def test_image_is_one_file(tmp_path: Path) -> None:
    folder = a_files_table(tmp_path, ("p/a.nii", "used", None))

    source = sources(folder)[ScanId("s1")]

    assert source == ScanSource(
        ScanId("s1"), FileFormat.NIFTI, (tmp_path / "scans" / "p" / "a.nii",)
    )


def test_scan_folder_may_be_one_file(tmp_path: Path) -> None:
    folder = a_files_table(tmp_path, ("a.nii", "used", None))
    path = folder / "scans" / "a.nii"

    assert read_sources(folder, path, [a_record()])[ScanId("s1")].files == (path,)


def test_scan_without_files_is_refused(tmp_path: Path) -> None:
    folder = a_files_table(tmp_path, ("a", "used", 0))

    with pytest.raises(ManifestError, match="scan 's9' has no file"):
        sources(folder, "s9")


def test_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    folder = a_files_table(tmp_path, ("a", "used", 0))
    (folder / "scans" / "a").unlink()

    with pytest.raises(ManifestError, match="scan 's1': a file is gone since ingest"):
        sources(folder)


def test_file_of_another_size_is_refused(tmp_path: Path) -> None:
    folder = a_files_table(tmp_path, ("a", "used", 0))
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
