import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.stages.makers import a_context
from voxray.core.errors import ConfigError, MachineError
from voxray.stages.workspace import check_outside, claimed, stage_folder

MINE = {"experiment": "toy", "scans": "e-1"}
HOLD_LOCK = """
import fcntl, pathlib, sys
with pathlib.Path(sys.argv[1]).open("a") as stream:
    fcntl.flock(stream, fcntl.LOCK_EX)
    stream.write("4711"); stream.flush()
    print("held", flush=True)
    sys.stdin.readline()
"""


def use(folder: Path, identity: dict[str, str] | None = None) -> None:
    with claimed(folder, identity or MINE):
        (folder / "result.txt").write_text("x")


def listing(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*"))


def test_a_new_folder_gets_an_identity_and_may_be_used_again(tmp_path: Path) -> None:
    use(tmp_path / "toy")
    use(tmp_path / "toy")
    assert "experiment.json" in listing(tmp_path / "toy")


@pytest.mark.parametrize("key", ["experiment", "scans"])
def test_a_folder_of_another_experiment_is_refused(tmp_path: Path, key: str) -> None:
    use(tmp_path)
    before = listing(tmp_path)
    with pytest.raises(ConfigError, match=rf"belongs to another .*other {key}"):
        use(tmp_path, MINE | {key: "other"})
    assert listing(tmp_path) == before


def test_a_folder_with_foreign_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("x")
    with pytest.raises(ConfigError, match=r"did not write, e\.g\. 'thesis\.docx'"):
        use(tmp_path)
    assert listing(tmp_path) == ["thesis.docx"]


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("x")
    with pytest.raises(ConfigError, match="is a file"):
        use(tmp_path / "toy")


def test_a_second_run_in_the_same_folder_is_told_who_holds_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD_LOCK, str(tmp_path / ".lock")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as holder:  # type: ignore[call-overload]
        holder.stdout.readline()
        with pytest.raises(MachineError, match="process 4711"):
            use(tmp_path)
        holder.communicate("\n")
    use(tmp_path)


def fail_in(folder: Path, writes: str | None) -> None:
    with claimed(folder, MINE):
        (folder / "ingest").mkdir()
        if writes:
            (folder / "ingest" / writes).write_text("x")
        msg = "wrong scans"
        raise ConfigError(msg)


def test_a_run_that_wrote_nothing_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="wrong scans"):
        fail_in(tmp_path / "toy", writes=None)
    assert listing(tmp_path) == []


def test_a_run_that_wrote_something_keeps_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="wrong scans"):
        fail_in(tmp_path / "toy", writes="manifest.csv")
    assert "experiment.json" in listing(tmp_path / "toy")


def test_the_ingest_folder_is_private(tmp_path: Path) -> None:
    context = a_context(tmp_path)
    assert stage_folder(context, "ingest").stat().st_mode & 0o777 == 0o700
    assert stage_folder(context, "folds").stat().st_mode & 0o500 == 0o500


@pytest.mark.parametrize("inner", [".", "out", "deep/out"])
def test_nothing_is_written_below_the_scans(tmp_path: Path, inner: str) -> None:
    with pytest.raises(ConfigError, match="lies in the scan folder"):
        check_outside(tmp_path / inner, tmp_path)


def test_a_folder_beside_the_scans_or_beside_one_file_is_free(tmp_path: Path) -> None:
    scan = tmp_path / "scan.nii"
    scan.touch()
    check_outside(tmp_path / "scans_out", tmp_path / "scans")
    check_outside(tmp_path / "out", scan)
    check_outside(tmp_path / "out", None)
