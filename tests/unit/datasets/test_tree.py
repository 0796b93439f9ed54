"""A folder and a tar are read alike; a hostile tar is refused."""

import io
import tarfile
from pathlib import PurePosixPath

import pytest

from tests.makers import truncate
from voxray.core.errors import ConfigError
from voxray.datasets import tree as tree_module
from voxray.datasets.tree import open_tree

TOP = PurePosixPath()


def read_all(source):
    with open_tree(source) as tree:
        return [entry.opener().read() for entry in tree.files(TOP)]


def a_folder(root):
    for name in ("set/b/2", "set/b/1", "set/top", "set/b/.hidden"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


@pytest.fixture(params=["folder", "tar", "tar.gz"])
def source(request, tmp_path):
    folder = a_folder(tmp_path / "in")
    if request.param == "folder":
        return folder
    file = tmp_path / f"in.{request.param}"
    with tarfile.open(file, "w:gz" if file.suffix == ".gz" else "w") as archive:
        archive.add(folder / "set", "set")
    return file


def test_files_are_found_below_a_folder_without_hidden_ones(source):
    with open_tree(source) as tree:
        found = {e.path.as_posix() for e in tree.files(PurePosixPath("set"))}
        assert found == {"b/1", "b/2", "top"}
        assert tree.folders() == [PurePosixPath("set")]


def test_a_file_opens_with_its_content(source):
    with open_tree(source) as tree:
        entry = tree.file(PurePosixPath("set/b/1"))
        assert entry is not None
        with entry.opener() as stream:
            assert stream.read() == b"set/b/1"
        assert (entry.path.name, entry.n_bytes) == ("1", 7)


def test_a_file_that_is_not_there_is_none(source):
    with open_tree(source) as tree:
        assert tree.file(PurePosixPath("set/c")) is None


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(ConfigError, match="there is no such folder or file"):
        read_all(tmp_path / "none")


@pytest.mark.parametrize("content", [b"", b"no tar"])
def test_a_file_that_is_no_tar_is_refused(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    one_line = r"^'a\.tar' is no readable tar[^\n]*get it again$"
    with pytest.raises(ConfigError, match=one_line):
        read_all(tmp_path / "a.tar")


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_a_truncated_tar_is_refused(tmp_path, suffix):
    folder = a_folder(tmp_path / "in")
    (folder / "set" / "large").write_bytes(bytes(range(256)) * 500)
    file = tmp_path / f"a.{suffix}"
    with tarfile.open(file, "w:gz" if suffix == "tar.gz" else "w") as archive:
        archive.add(folder, "in")
    truncate(file, 0.5)
    with pytest.raises(ConfigError, match="no readable tar"):
        read_all(file)


def member(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        (member("a/../../x"), "a path that leads out"),
        (member("/etc/x"), "a path that leads out"),
        (member("a/x", tarfile.SYMTYPE, "/etc/passwd"), "a link"),
        (member("a/x", tarfile.LNKTYPE, "a/y"), "a link"),
        (member("a/x", tarfile.CHRTYPE), "a device or a pipe"),
        (member("a/x", tarfile.FIFOTYPE), "a device or a pipe"),
        (member("a/" + "x" * 300), "a name that no file system takes"),
        (member("a/x\ny"), "a name that no file system takes"),
    ],
)
def test_a_hostile_tar_is_refused_with_the_reason(tmp_path, hostile, reason):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(member("a/fine"))
        archive.addfile(hostile, io.BytesIO())
    with pytest.raises(ConfigError, match=f"member 2 is {reason}"):
        read_all(tmp_path / "a.tar")


def test_a_tar_of_too_many_members_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tree_module, "_MAX_MEMBERS", 2)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in "abc":
            archive.addfile(member(name))
    with pytest.raises(ConfigError, match="member 3 is one too many"):
        read_all(tmp_path / "a.tar")
