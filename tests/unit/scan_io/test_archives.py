import bz2
import gc
import gzip
import io
import lzma
import os
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.makers import Series, write_nifti, write_series
from voxray.core.errors import UnreadableScanError
from voxray.core.records import FileFormat, ScanId, ScanSource
from voxray.scan_io import archives, list_archive, open_scan, read_volume
from voxray.scan_io.spool import spooled_tar

CONTENT = bytes(range(256)) * 800
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def a_zip(path: Path, *names: str, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            archive.writestr(name, CONTENT)
    return path


def a_tar(path: Path, *members: tarfile.TarInfo | str, packer: str = "") -> Path:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for member in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            plain = info.isreg() and not info.size
            info.size = len(CONTENT) if plain else 0
            archive.addfile(info, io.BytesIO(CONTENT))
    pack = PACKERS.get(packer, bytes)
    path.write_bytes(pack(stream.getvalue()))
    return path


def of_type(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "../../etc/passwd"
    return info


def names(path: Path) -> list[str]:
    return [member.name for member in list_archive(path)]


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]
)
def test_member_of_a_zip_is_read_in_any_order(tmp_path: Path, method: int) -> None:
    a_zip(tmp_path / "a.zip", "x/1", "x/2", method=method)

    with open_scan(tmp_path / "a.zip" / "x" / "2") as stream:
        assert stream.seek(0, 2) == len(CONTENT)
        stream.seek(100_000)
        assert stream.read(5) == CONTENT[100_000:100_005]
        stream.seek(3)
        assert stream.read() == CONTENT[3:]


@pytest.mark.parametrize("packer", ["", "gz", "bz2", "xz"])
def test_member_of_a_tar_is_read_plain_or_packed(tmp_path: Path, packer: str) -> None:
    path = a_tar(tmp_path / "a.tar", "x/1", "x/2", packer=packer)

    assert names(path) == ["x/1", "x/2"]
    with open_scan(path / "x" / "2") as stream:
        stream.seek(-4, 2)
        assert stream.read() == CONTENT[-4:]


def test_series_and_nifti_in_an_archive_are_volumes_like_others(tmp_path: Path) -> None:
    files = write_series(tmp_path / "series", Series())
    nifti = write_nifti(tmp_path / "n.nii.gz")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in [*files, nifti]:
            archive.write(file, f"in/{file.name}")
    inside = tmp_path / "a.zip" / "in"
    plain = read_volume(Series().source(files))
    packed = read_volume(Series().source([inside / f.name for f in files]))
    one = read_volume(ScanSource(ScanId("-"), FileFormat.NIFTI, (nifti,)))
    other = read_volume(
        ScanSource(ScanId("-"), FileFormat.NIFTI, (inside / "n.nii.gz",))
    )

    np.testing.assert_array_equal(plain.voxels, packed.voxels)
    np.testing.assert_array_equal(one.voxels, other.voxels)


def test_folders_are_no_members(tmp_path: Path) -> None:
    folder = of_type("x", tarfile.DIRTYPE)
    assert names(a_tar(tmp_path / "a.tar", folder, "x/1")) == ["x/1"]
    assert names(a_zip(tmp_path / "a.zip", "x/", "x/1")) == ["x/1"]


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../x", "..\\x", "C:\\x", "\\x"]
)
def test_path_that_leaves_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    a_zip(tmp_path / "a.zip", "good", name)
    a_tar(tmp_path / "a.tar", "good", name)

    for path in (tmp_path / "a.zip", tmp_path / "a.tar"):
        with pytest.raises(UnreadableScanError, match="leaves the archive"):
            list_archive(path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_link_or_device_in_a_tar_cannot_be_opened(tmp_path: Path, kind: bytes) -> None:
    path = a_tar(tmp_path / "a.tar", "good", of_type("bad", kind))

    good, bad = list_archive(path)

    assert good.problem is None
    assert "a link, a device" in (bad.problem or "")
    with pytest.raises(OSError, match="a link, a device"):
        open_scan(path / "bad")


def test_link_in_a_zip_cannot_be_opened(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")

    (member,) = list_archive(tmp_path / "a.zip")

    assert member.problem == "a link or device in an archive"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    a_zip(tmp_path / "a.zip", "x/1", "x/1")
    a_tar(tmp_path / "a.tar", "x/1", "./x//1")

    for path in (tmp_path / "a.zip", tmp_path / "a.tar"):
        with pytest.raises(UnreadableScanError, match=r"1 names stand .* twice"):
            list_archive(path)


def test_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "a.zip", "x")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)

    with pytest.raises(UnreadableScanError, match="encrypted"):
        list_archive(path)


def test_zip_packed_in_an_unknown_way_lists_its_members_with_it(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "a.zip", "x")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 10] = 9
    path.write_bytes(content)

    (member,) = list_archive(path)

    assert "method 9" in (member.problem or "")


@pytest.mark.parametrize("ending", ["zip", "gz", "bz2", "xz"])
def test_bomb_is_refused_before_it_fills_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED_BYTES", 1 << 20)
    path = tmp_path / f"bomb.{ending}"
    zeros = bytes(1 << 25)
    if ending == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x", zeros)
    else:
        path.write_bytes(PACKERS[ending](zeros))

    with pytest.raises(UnreadableScanError, match="unpacks to"):
        list_archive(path)


def test_member_beyond_the_bound_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 1000)

    (member,) = list_archive(a_zip(tmp_path / "a.zip", "x"))

    assert "GB in an archive" in (member.problem or "")


@pytest.mark.parametrize("make", [a_zip, a_tar])
def test_too_many_members_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)

    with pytest.raises(UnreadableScanError, match="more than 3 members"):
        list_archive(make(tmp_path / "a", "1", "2", "3", "4"))


@pytest.mark.parametrize("make", [a_zip, a_tar])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_archive_that_is_cut_off_is_damaged(
    tmp_path: Path, make: Any, kept: float
) -> None:
    path = make(tmp_path / "a", "1", "2")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])

    with pytest.raises(UnreadableScanError, match="damaged"):
        list_archive(path)


@pytest.mark.parametrize("packer", ["gz", "bz2", "xz"])
def test_packed_tar_that_is_cut_off_is_damaged(tmp_path: Path, packer: str) -> None:
    path = a_tar(tmp_path / "a", "1", packer=packer)
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(UnreadableScanError, match="damaged"):
        list_archive(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damage_inside_a_member_is_told_when_it_is_read(
    tmp_path: Path, method: int
) -> None:
    path = a_zip(tmp_path / "a.zip", "x", method=method)
    content = bytearray(path.read_bytes())
    content[300] ^= 0xFF
    path.write_bytes(content)

    with open_scan(path / "x") as stream, pytest.raises(OSError, match="damaged"):
        stream.read()


def test_several_packed_streams_are_one_tar(tmp_path: Path) -> None:
    plain = a_tar(tmp_path / "a.tar", "1", "2").read_bytes()
    half = len(plain) // 2
    (tmp_path / "a.tgz").write_bytes(
        gzip.compress(plain[:half]) + gzip.compress(plain[half:])
    )

    assert names(tmp_path / "a.tgz") == ["1", "2"]


def test_missing_member_is_a_missing_file(tmp_path: Path) -> None:
    a_zip(tmp_path / "a.zip", "x")

    with pytest.raises(FileNotFoundError):
        open_scan(tmp_path / "a.zip" / "y")
    with pytest.raises(FileNotFoundError):
        open_scan(tmp_path / "no.zip" / "y")


def test_member_of_an_archive_that_is_damaged_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04")

    with pytest.raises(OSError, match="damaged"):
        open_scan(tmp_path / "a.zip" / "y")


def test_archive_that_changed_is_listed_anew(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "a.zip", "x")
    assert names(path) == ["x"]
    time.sleep(0.01)
    a_zip(path, "yy")
    assert names(path) == ["yy"]


def test_packed_tar_is_unpacked_into_a_private_place_once(tmp_path: Path) -> None:
    path = a_tar(tmp_path / "a.tgz", "1", packer="gz")

    file = spooled_tar(path, (1, 2), 1 << 20)

    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert spooled_tar(path, (1, 2), 1 << 20) == file
    file.unlink()


def test_packed_tar_that_someone_removed_is_unpacked_again(tmp_path: Path) -> None:
    path = a_tar(tmp_path / "a.tgz", "1", packer="gz")
    list_archive(path)
    status = path.stat()
    stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    spooled_tar(path, stamp, 1 << 20).unlink()

    with open_scan(path / "1") as stream:
        assert stream.read() == CONTENT


def test_temporary_folder_of_someone_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"voxray-{os.getuid()}").mkdir()
    (tmp_path / f"voxray-{os.getuid()}").chmod(0o755)
    path = a_tar(tmp_path / "a.tgz", "1", packer="gz")

    with pytest.raises(PermissionError, match="not private"):
        list_archive(path)


def test_what_a_killed_process_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / f"voxray-{os.getuid()}"
    folder.mkdir(mode=0o700)
    left = folder / "abc-999999999.tar"
    left.write_bytes(b"x")

    list_archive(a_tar(tmp_path / "a.tgz", "1", packer="gz"))

    assert not left.exists()


def test_chain_of_long_headers_in_a_tar_is_damage_not_a_crash(tmp_path: Path) -> None:
    link = tarfile.TarInfo("././@LongLink")
    link.type, link.size = tarfile.GNUTYPE_LONGNAME, 1
    block = link.tobuf() + b"x".ljust(512, b"\0")
    (tmp_path / "a.tar").write_bytes(block * 3000)

    with pytest.raises(UnreadableScanError, match="damaged"):
        list_archive(tmp_path / "a.tar")


def test_member_before_the_start_of_the_archive_leaves_nothing_open(
    tmp_path: Path,
) -> None:
    path = a_zip(tmp_path / "a.zip", "a")
    content = bytearray(path.read_bytes())
    place = int.from_bytes(content[-6:-2], "little")  # of the list of members
    content[-6:-2] = (place + 10).to_bytes(4, "little")
    path.write_bytes(content)

    with pytest.raises(OSError, match="Invalid argument"):
        open_scan(path / "a")
    gc.collect()  # an open file would be told now
