import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from threading import Barrier

import pytest

from voxray.core.errors import MachineError
from voxray.core.ids import (
    Pseudonymizer,
    _make_key,
    load_or_make_key,
    readable_scan_name,
)

KEY = bytes(range(32))


def test_ids_are_prefixed_and_16_base32_characters():
    ids = Pseudonymizer(KEY)

    assert ids.scan_id("1.2.3", "name") == ids.scan_id("1.2.3", "other name")
    assert len(ids.scan_id("1.2.3", "")) == len("s-") + 16
    for made, prefix in (
        (ids.scan_id("x", ""), "s-"),
        (ids.patient_id("x", ""), "p-"),
        (ids.study_id("x"), "e-"),
    ):
        assert made.startswith(prefix)
        assert set(made[2:]) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_other_key_other_identity_and_other_kind_give_other_ids():
    ids, others = Pseudonymizer(KEY), Pseudonymizer(KEY[::-1])

    assert ids.scan_id("x", "") != others.scan_id("x", "")
    assert ids.scan_id("x", "") != ids.scan_id("y", "")
    assert ids.scan_id("x", "")[2:] != ids.patient_id("x", "")[2:]


def test_id_is_hmac_sha256_in_base32():
    """By hand: `printf 'p\\0Doe' | openssl dgst -sha256 -mac hmac -macopt hexkey:…`."""
    ids = Pseudonymizer(bytes(32))

    assert ids.patient_id("Doe", "") == "p-kilwhmhr67ae72tu"


def test_readable_ids_keep_names_but_never_the_study():
    ids = Pseudonymizer(KEY, readable=True)

    assert ids.scan_id("1.2.3", "site1__case7") == "site1__case7"
    assert ids.patient_id("1", "LIDC-0001") == "LIDC-0001"
    assert ids.study_id("1.2.840.1") == Pseudonymizer(KEY).study_id("1.2.840.1")


def test_key_is_not_shown():
    assert str(list(KEY)[5]) not in repr(Pseudonymizer(KEY)).split("0x")[0]
    assert repr(KEY) not in repr(Pseudonymizer(KEY))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b.nii.gz", "a__b"),
        ("a/b.nii", "a__b"),
        ("x.y.dcm", "x.y"),
        ("a/b.png", "a__b"),
        ("ä b/ç:1.nii", "ä_b__ç_1"),
        ("folder/series", "folder__series"),
    ],
)
def test_readable_name_is_the_path_made_safe(path, name):
    assert readable_scan_name(PurePosixPath(path)) == name


def test_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    path = tmp_path / "config" / "key"
    key = load_or_make_key(path)

    assert len(key) == 32
    assert load_or_make_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["key"]


def test_folder_that_was_there_keeps_its_permissions(tmp_path):
    tmp_path.chmod(0o755)

    load_or_make_key(tmp_path / "key")

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_racing_makers_get_one_key(tmp_path):
    start = Barrier(16)

    def make(_):
        start.wait()
        return load_or_make_key(tmp_path / "key")

    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(make, range(16)))

    assert keys == {(tmp_path / "key").read_bytes()}
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_key_of_a_faster_process_is_kept(tmp_path):
    key = load_or_make_key(tmp_path / "key")

    _make_key(tmp_path / "key")  # what a slower process still does

    assert (tmp_path / "key").read_bytes() == key
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_damaged_key_is_never_replaced(tmp_path):
    (tmp_path / "key").write_bytes(b"short")

    with pytest.raises(MachineError, match=r"holds 5 bytes, a key has 32; restore it"):
        load_or_make_key(tmp_path / "key")

    assert (tmp_path / "key").read_bytes() == b"short"
