import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from voxray.core.errors import MachineError, ManifestError
from voxray.core.files import (
    atomic_path,
    fsync_append,
    private_folder,
    read_json,
    write_json,
    write_text,
)


def run_python(code, *arguments):
    """Run code in a process of its own, whose limits may change; give its errors."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_only_when_the_block_succeeds(tmp_path):
    with atomic_path(tmp_path / "new" / "a.csv") as temporary:
        temporary.write_text("x")
        assert not (tmp_path / "new" / "a.csv").exists()

    assert (tmp_path / "new" / "a.csv").read_text() == "x"
    assert names(tmp_path / "new") == ["a.csv"]


def test_failed_block_leaves_the_older_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.csv"
    target.write_text("old")

    with pytest.raises(UnicodeEncodeError):
        write_text(target, "half" + "\ud800")

    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


def test_temporary_name_keeps_the_suffixes(tmp_path):
    with atomic_path(tmp_path / "mask.nii.gz") as temporary:
        temporary.touch()
        assert temporary.name.endswith("mask.nii.gz")


def test_full_disk_is_a_machine_error_that_names_the_file(tmp_path):
    def write_to_a_full_disk():
        with atomic_path(tmp_path / "a.csv") as temporary:
            temporary.symlink_to("/dev/full")
            temporary.write_text("x")

    with pytest.raises(MachineError, match=r"cannot write 'a.csv': No space left"):
        write_to_a_full_disk()

    assert names(tmp_path) == []


def test_file_that_cannot_grow_leaves_the_older_one(tmp_path):
    target = tmp_path / "a.csv"
    target.write_text("old")
    code = (
        "import pathlib, resource, signal, sys\n"
        "from voxray.core.files import write_text\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "write_text(pathlib.Path(sys.argv[1]), 'x' * 10_000)\n"
    )

    said = run_python(code, target)

    assert "MachineError: cannot write 'a.csv': File too large" in said
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


def test_folder_under_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match="file"):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_refused_permission_is_a_machine_error():
    """As another user when this is root, who may write anywhere."""
    code = (
        "import os, pathlib, sys\n"
        "from voxray.core.files import write_text\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "write_text(pathlib.Path(sys.argv[1]) / 'a.txt', 'x')\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)

        said = run_python(code, folder)

    assert "MachineError: cannot write 'a.txt': Permission denied" in said


def test_json_has_schema_version_first_and_reads_back(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, None]})

    assert (tmp_path / "a.json").read_text().startswith('{\n  "schema_version": 1,')
    assert read_json(tmp_path / "a.json") == {"schema_version": 1, "b": [1, None]}


def test_json_refuses_nan_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})

    assert names(tmp_path) == []


@pytest.mark.parametrize("text", ["{", "[1]", "{}", '{"schema_version": "1"}'])
def test_json_that_voxray_did_not_write_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)

    with pytest.raises(ManifestError, match=r"'a.json'"):
        read_json(tmp_path / "a.json")


def test_json_of_a_newer_schema_asks_for_an_update(tmp_path):
    (tmp_path / "a.json").write_text('{"schema_version": 99}')

    with pytest.raises(ManifestError, match=r"schema_version 99, .* update voxray"):
        read_json(tmp_path / "a.json")


def test_missing_json_is_a_manifest_error(tmp_path):
    with pytest.raises(ManifestError, match=r"cannot read 'a.json'"):
        read_json(tmp_path / "a.json")


def test_private_folder_is_closed_to_others_even_when_it_was_open(tmp_path):
    (tmp_path / "open").mkdir(mode=0o755)

    for name in ("open", "new"):
        folder = private_folder(tmp_path / name)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_appended_lines_are_kept_in_order(tmp_path):
    fsync_append(tmp_path / "a.jsonl", "1\n")
    fsync_append(tmp_path / "a.jsonl", "2\n")

    assert (tmp_path / "a.jsonl").read_text() == "1\n2\n"
