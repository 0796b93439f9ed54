import os
import sqlite3
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tests.makers import Series, write_mask, write_nifti, write_series
from tests.unit.ingest.makers import LESION, READABLE, RULES
from voxray.core.errors import ConfigError
from voxray.core.progress import Progress
from voxray.core.records import Sha256
from voxray.ingest import Intake, IntakeOptions, ingest_folder
from voxray.ingest.codec import Codec
from voxray.ingest.headers import FileFacts
from voxray.ingest.index import Index, opened_index
from voxray.ingest.walk import FoundFile
from voxray.scan_io import FileKind

CODEC = Codec(FileFacts)


def a_file(name: str = "a", **changes: Any) -> FoundFile:
    plain: dict[str, Any] = {"size_bytes": 1, "mtime_ns": 2, "ctime_ns": 3}
    return FoundFile(PurePosixPath(name), **(plain | changes))


def remember(path: Path, *files: FoundFile) -> None:
    with opened_index(path) as index:
        index.known_files(files, CODEC)
        for file in files:
            index.remember_file(file, CODEC.to_text(FileFacts(FileKind.PICTURE)))


def known(path: Path, *files: FoundFile) -> set[str]:
    with opened_index(path) as index:
        return {p.as_posix() for p in index.known_files(files, CODEC)}


class Counted:
    """Takes in a folder with an index and counts what was read."""

    def __init__(self, scans: Path, **options: Any) -> None:
        self.scans, self.options = scans, options
        self.read: dict[str, int] = {}

    def __call__(self) -> Intake:
        self.read = {}
        plain: dict[str, Any] = {"rules": RULES, "patient": "each_file"}
        plain |= {"index": self.scans.parent / "out" / "index"}
        options = IntakeOptions(scans=self.scans, **(plain | self.options))
        return ingest_folder(options, READABLE, self.listen)

    def listen(self, event: Progress) -> None:
        self.read[event.task] = max(self.read.get(event.task, 0), event.total or 0)

    @property
    def counts(self) -> tuple[int, int]:
        return self.read["reading headers"], self.read["reading pixels"]


def a_cohort(folder: Path) -> Path:
    write_series(folder / "scans" / "one", Series())
    write_series(folder / "scans" / "two", Series(name="series2", seed=2))
    write_nifti(folder / "scans" / "n.nii.gz", seed=3)
    return folder / "scans"


def test_nothing_is_read_twice(tmp_path: Path) -> None:
    ingest = Counted(a_cohort(tmp_path))

    first = ingest()
    assert ingest.counts == (11, 3)
    second = ingest()

    assert ingest.counts == (0, 0)
    assert second.files == first.files
    assert [r.sha256_pixels for r in second.records] == [
        r.sha256_pixels for r in first.records
    ]


def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    ingest = Counted(a_cohort(tmp_path))
    ingest()
    write_series(tmp_path / "scans" / "two", Series(name="series2", seed=4))
    write_nifti(tmp_path / "scans" / "new.nii.gz", seed=5)

    again = ingest()

    assert ingest.counts == (6, 2)
    assert len(again.records) == 4


def test_file_in_the_place_of_another_with_its_date_is_read_again(
    tmp_path: Path,
) -> None:
    scans = a_cohort(tmp_path)
    ingest = Counted(scans)
    before = {r.scan_id: r.sha256_pixels for r in ingest().records}
    file = min((scans / "one").iterdir())
    status = file.stat()
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    after = {r.scan_id: r.sha256_pixels for r in ingest().records}

    assert ingest.counts == (1, 1)
    assert sum(before[scan] != after[scan] for scan in before) == 1


def test_moved_folder_keeps_what_is_known_of_it_but_for_its_dates(
    tmp_path: Path,
) -> None:
    ingest = Counted(a_cohort(tmp_path))
    ingest()
    (tmp_path / "scans").rename(tmp_path / "moved")
    ingest.scans = tmp_path / "moved"

    ingest()

    assert ingest.counts == (0, 0)


def test_changed_mask_is_compared_again(tmp_path: Path) -> None:
    write_nifti(tmp_path / "scans" / "a.nii.gz")
    write_mask(tmp_path / "masks" / "a.nii.gz")
    ingest = Counted(tmp_path / "scans", masks=tmp_path / "masks", task=LESION)
    assert len(ingest().records) == 1
    write_mask(tmp_path / "masks" / "a.nii.gz", value=7)

    again = ingest()

    assert ingest.counts == (0, 1)
    assert [row.code for row in again.quarantine] == ["mask-unknown-value"]


def test_what_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    scans = a_cohort(tmp_path)
    (scans / "bad").write_bytes(bytes(128) + b"DICM" + bytes(9))
    ingest = Counted(scans)
    ingest()
    ingest()
    assert ingest.counts == (1, 0)


def test_header_of_a_pair_is_never_remembered(tmp_path: Path) -> None:
    pair = [a_file("a.hdr"), a_file("a.IMG"), a_file("b.nii")]
    remember(tmp_path / "i", *pair)
    assert known(tmp_path / "i", *pair) == {"b.nii"}


@pytest.mark.parametrize("part", ["size_bytes", "mtime_ns", "ctime_ns"])
def test_file_is_known_by_size_and_times(tmp_path: Path, part: str) -> None:
    remember(tmp_path / "i", a_file())
    assert known(tmp_path / "i", a_file()) == {"a"}
    remember(tmp_path / "i", a_file())
    assert known(tmp_path / "i", a_file("a", **{part: 9})) == set()


def test_file_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    remember(tmp_path / "i", a_file("a"), a_file("b"))
    assert known(tmp_path / "i", a_file("b")) == {"b"}
    assert known(tmp_path / "i", a_file("a"), a_file("b")) == {"b"}


def test_index_is_private(tmp_path: Path) -> None:
    remember(tmp_path / "out" / "i", a_file())
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "out" / "i").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"no index", b"SQLite format 3\0" * 90])
def test_damaged_index_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "i").write_bytes(content)
    assert known(tmp_path / "i", a_file()) == set()
    remember(tmp_path / "i", a_file())
    assert known(tmp_path / "i", a_file()) == {"a"}


def test_index_damaged_in_its_middle_costs_time_not_a_result(tmp_path: Path) -> None:
    files = [a_file(f"f{n}") for n in range(3000)]
    remember(tmp_path / "i", *files)
    content = bytearray((tmp_path / "i").read_bytes())
    content[8192:-4096] = os.urandom(len(content) - 8192 - 4096)
    (tmp_path / "i").write_bytes(content)

    assert len(known(tmp_path / "i", *files)) < 3000
    remember(tmp_path / "i", *files)


def test_index_of_other_code_is_not_used(tmp_path: Path) -> None:
    remember(tmp_path / "i", a_file())
    with sqlite3.connect(tmp_path / "i") as connection:
        connection.execute("UPDATE made_by SET code = 'other'")
    connection.close()
    assert known(tmp_path / "i", a_file()) == set()


def test_text_that_is_no_record_is_read_again(tmp_path: Path) -> None:
    with opened_index(tmp_path / "i") as index:
        index.known_files([a_file()], CODEC)
        index.remember_file(a_file(), "[1]")
        index.known_scan(Sha256("key"), CODEC)
        index.remember_scan(Sha256("key"), "[1]")
    with opened_index(tmp_path / "i") as index:
        assert index.known_files([a_file()], CODEC) == {}
        assert index.known_scan(Sha256("key"), CODEC) is None


def test_without_a_file_nothing_is_remembered() -> None:
    index = Index(None)
    index.remember_file(a_file(), "[]")
    index.finish()
    assert index.known_files([a_file()], CODEC) == {}
    assert not index.remembers


def test_run_that_fails_early_leaves_no_index(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "notes.txt").write_text("x")
    with pytest.raises(ConfigError, match="none of them DICOM"):
        Counted(tmp_path / "scans")()
    assert not (tmp_path / "out").exists()


def test_killed_run_keeps_what_it_read(tmp_path: Path) -> None:
    files = [a_file(f"f{n}") for n in range(5000)]
    index = Index(tmp_path / "i")
    index.known_files(files, CODEC)
    for file in files:
        index.remember_file(file, CODEC.to_text(FileFacts(FileKind.PICTURE)))
    del index  # without closing it

    assert len(known(tmp_path / "i", *files)) >= 4000


def interrupted(path: Path, *files: FoundFile) -> None:
    with opened_index(path) as index:
        index.known_files(files, CODEC)
        for file in files:
            index.remember_file(file, CODEC.to_text(FileFacts(FileKind.PICTURE)))
        raise KeyboardInterrupt


def test_interrupted_run_keeps_all_that_it_read(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "i", a_file("a"), a_file("b"))

    assert known(tmp_path / "i", a_file("a"), a_file("b")) == {"a", "b"}


FULL = """
import resource, sys
from pathlib import Path
from tests.unit.ingest.test_index import Counted
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from voxray.core.errors import MachineError
try:
    Counted(Path(sys.argv[1]))()
except MachineError as error:
    sys.exit(error.exit_code)
"""


def test_full_disk_ends_in_75_and_the_next_run_is_whole(tmp_path: Path) -> None:
    scans = a_cohort(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(scans)], check=False, capture_output=True
    )
    assert done.returncode == 75, done.stderr
    assert len(Counted(scans)().records) == 3
