import os
from pathlib import Path

import pytest

from voxray.core.errors import ConfigError
from voxray.stages.fingerprint import code_hash, folder_hash, table_hash


def test_folder_hash_follows_names_sizes_and_times(tmp_path: Path) -> None:
    file = tmp_path / "scans" / "a.nii"
    file.parent.mkdir()
    file.write_bytes(b"1")
    before = folder_hash(file.parent)
    assert folder_hash(file.parent) == before
    os.utime(file, ns=(0, 0))
    assert folder_hash(file.parent) != before


def test_folder_hash_of_one_file_is_of_that_file(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(b"1")
    before = folder_hash(tmp_path / "a.nii")
    (tmp_path / "b.nii").write_bytes(b"1")
    assert folder_hash(tmp_path / "a.nii") == before


def test_folder_hash_refuses_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        folder_hash(tmp_path / "none")


def test_table_hash_follows_contents_only(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a")
    before = table_hash(table)
    os.utime(table, ns=(0, 0))
    assert table_hash(table) == before


def test_table_hash_refuses_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        table_hash(tmp_path / "none.csv")


def test_code_hash_is_the_same_twice():
    assert code_hash() == code_hash()
    assert len(code_hash()) == 64
