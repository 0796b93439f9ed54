import errno
import os
from pathlib import Path

import pytest

from voxray.core.errors import ConfigError, MachineError
from voxray.ingest.walk import FoundFile, folder_of, walk_folder


def walked(root: Path) -> dict[str, FoundFile]:
    return {f.path.as_posix(): f for f in walk_folder(root, "data.scans")}


def a_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_every_file_is_listed_once_in_order_of_its_path(tmp_path: Path) -> None:
    for name in ("b/2", "a", ".hidden", "b/10"):
        a_file(tmp_path / name)

    assert list(walked(tmp_path)) == [".hidden", "a", "b/10", "b/2"]


def test_link_that_leaves_the_folder_is_not_read(tmp_path: Path) -> None:
    outside = a_file(tmp_path / "outside")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(outside)

    problem = walked(tmp_path / "in")["link"].problem

    assert problem is not None
    assert problem.code == "link-outside-folder"


def test_link_inside_the_folder_stands_for_its_target(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(a_file(tmp_path / "file"))

    link = walked(tmp_path)["link"]

    assert link.link
    assert link.problem is None


def test_loop_of_folders_is_not_entered(tmp_path: Path) -> None:
    a_file(tmp_path / "sub" / "file")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)

    assert list(walked(tmp_path)) == ["sub/file", "sub/loop"]


@pytest.mark.parametrize("target", ["nothing", "link"])
def test_broken_or_circular_link_is_unreadable(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / target)

    problem = walked(tmp_path)["link"].problem

    assert problem is not None
    assert problem.code == "unreadable-file"


def test_pipe_is_listed_with_a_problem(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    problem = walked(tmp_path)["pipe"].problem

    assert problem is not None
    assert problem.code == "not-an-image"


def test_name_that_is_not_utf8_is_refused_and_can_be_printed(tmp_path: Path) -> None:
    a_file(tmp_path / os.fsdecode(b"caf\xe9"))

    ((name, file),) = walked(tmp_path).items()

    assert name == "caf\\xe9"
    assert file.problem is not None
    assert "not UTF-8" in file.problem.detail


def test_single_file_is_its_own_folder(tmp_path: Path) -> None:
    path = a_file(tmp_path / "one")
    a_file(tmp_path / "two")

    assert list(walked(path)) == ["one"]
    assert folder_of(path) == tmp_path


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data.scans: .*nowhere' does not exist"):
        walk_folder(tmp_path / "nowhere", "data.scans")


def test_folder_that_is_something_else_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ConfigError, match="is not a folder"):
        walk_folder(tmp_path / "pipe", "data.scans")


def test_folder_that_may_not_be_read_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(MachineError, match=r"cannot read a folder.*Permission denied"):
        walk_folder(tmp_path, "data.scans")
