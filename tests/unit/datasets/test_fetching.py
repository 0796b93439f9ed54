"""Fetching a data set, from a folder or file of the user's or from a server."""

import fcntl
import json
import os
import resource
import subprocess
import sys
import tarfile
from hashlib import md5
from pathlib import Path

import pytest
import yaml

from tests.unit.datasets.makers import (
    AT_ONCE,
    Answer,
    arrays,
    serve,
    write_card,
    write_decathlon,
    write_npz,
    write_tar,
)
from voxray.core.errors import ConfigError, DatasetError, MachineError
from voxray.core.specs import Experiment
from voxray.datasets import Checksum, fetch


def a_source(tmp_path, name="tiny.npz", content=None):
    return write_npz(tmp_path / "in" / name, content).parent


@pytest.fixture
def card(tmp_path):
    """Name of a card whose file nobody serves."""
    return str(write_card(tmp_path / "tiny.yaml"))


def served_card(tmp_path, server, content, size=4):
    digest = None if content is None else md5(content).hexdigest()
    files = {size: {"url": f"{server.url}/tiny.npz", "md5": digest}}
    return str(write_card(tmp_path / "tiny.yaml", files=files))


def snapshot(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_from_a_folder_with_the_published_file(tmp_path, card):
    result = fetch(card, tmp_path / "out", a_source(tmp_path))
    assert result.folder == tmp_path / "out" / "tiny"
    assert result.contents.splits == {"train": 3, "val": 2, "test": 2}
    assert (result.n_written, result.n_kept) == (8, 0)


def test_from_the_file_itself_whatever_its_name(tmp_path, card):
    source = a_source(tmp_path, "mine.npz") / "mine.npz"
    assert fetch(card, tmp_path / "out", source).contents.n_scans == 7


def test_a_file_without_the_test_split_is_taken_and_the_split_is_missing(
    tmp_path, card
):
    source = a_source(tmp_path, "tiny_trainval.npz", arrays(train=3, val=2))
    contents = fetch(card, tmp_path / "out", source).contents
    assert contents.missing_splits == ("test",)
    assert contents.splits == {"train": 3, "val": 2}


def test_another_size_lies_under_its_own_name(tmp_path):
    files = {28: {"url": "http://a/tiny.npz"}, 8: {"url": "http://a/tiny_8.npz"}}
    own = write_card(tmp_path / "tiny.yaml", files=files)
    source = a_source(tmp_path, "tiny_8.npz", arrays((8, 8)))
    assert fetch(str(own), tmp_path / "out", source).contents.n_scans == 7


def test_a_source_is_compared_with_the_published_checksum(tmp_path):
    source = a_source(tmp_path)
    digest = md5((source / "tiny.npz").read_bytes()).hexdigest()
    states = []
    for known in (digest, "0" * 32, None):
        files = {4: {"url": "http://a/tiny.npz", "md5": known}}
        own = str(write_card(tmp_path / "tiny.yaml", files=files))
        states.append(fetch(own, tmp_path / "out", source).contents.checksum)
    assert states == [Checksum.VERIFIED, Checksum.DIFFERENT, Checksum.UNVERIFIED]


def test_the_experiment_beside_it_is_valid_and_a_changed_one_is_kept(tmp_path, card):
    result = fetch(card, tmp_path / "out", a_source(tmp_path))
    text = result.experiment.read_text()
    assert Experiment.model_validate(yaml.safe_load(text)).name == "tiny"
    result.experiment.write_text("name: mine\n")
    fetch(card, tmp_path / "out", a_source(tmp_path))
    assert result.experiment.read_text() == "name: mine\n"


def test_the_record_beside_it_says_whose_it_is(tmp_path, card):
    result = fetch(card, tmp_path / "out", a_source(tmp_path))
    noted = json.loads((result.folder / "data_set.json").read_text())
    assert (noted["name"], noted["licence"]) == ("tiny", "CC BY 4.0")
    assert noted["complete"] is True


def test_a_killed_fetch_goes_on(tmp_path, card):
    source = a_source(tmp_path)

    def kill(_event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(card, tmp_path / "out", source, kill)
    result = fetch(card, tmp_path / "out", source)
    assert (result.n_written, result.n_kept) == (1, 7)


def test_what_a_killed_run_left_half_written_is_removed(tmp_path, card):
    images = fetch(card, tmp_path / "out", a_source(tmp_path)).folder / "images"
    left = images / ".0123abcd-train_000001.png"
    left.write_bytes(b"half")
    fetch(card, tmp_path / "out", a_source(tmp_path))
    assert not left.exists()


def test_two_runs_do_not_write_into_one_folder(tmp_path, card):
    source = a_source(tmp_path)
    folder = fetch(card, tmp_path / "out", source).folder
    with (folder / ".lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(MachineError, match="another run fetches into 'tiny'"):
            fetch(card, tmp_path / "out", source)


def test_a_folder_with_something_else_is_not_touched(tmp_path, card):
    (tmp_path / "out" / "tiny").mkdir(parents=True)
    (tmp_path / "out" / "tiny" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds files that no fetch has written"):
        fetch(card, tmp_path / "out", a_source(tmp_path))
    assert [p.name for p in (tmp_path / "out" / "tiny").iterdir()] == ["thesis.txt"]


def test_a_folder_with_another_data_set_is_not_touched(tmp_path, card):
    folder = fetch(card, tmp_path / "out", a_source(tmp_path)).folder
    folder.rename(tmp_path / "out" / "hippocampus")
    source = write_decathlon(tmp_path / "msd")
    with pytest.raises(ConfigError, match="holds the data set 'tiny'"):
        fetch("hippocampus", tmp_path / "out", source)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path, card):
    (tmp_path / "out").write_text("")
    with pytest.raises(ConfigError, match="is a file, not a folder to put tiny into"):
        fetch(card, tmp_path / "out", a_source(tmp_path))


def test_an_empty_folder_is_free(tmp_path, card):
    (tmp_path / "out" / "tiny").mkdir(parents=True)
    assert fetch(card, tmp_path / "out", a_source(tmp_path)).n_written == 8


def test_a_source_without_the_file_names_what_it_should_hold(tmp_path, card):
    source = a_source(tmp_path, "other.npz")
    with pytest.raises(ConfigError, match=r"neither tiny\.npz nor tiny_trainval\.npz"):
        fetch(card, tmp_path / "out", source)


def test_a_missing_source_is_named(tmp_path, card):
    with pytest.raises(ConfigError, match="there is no such folder or file"):
        fetch(card, tmp_path / "out", tmp_path / "none")


@pytest.mark.parametrize(
    "content",
    [arrays((5, 5)), {"train_images": arrays()["train_images"]}, {}],
    ids=["size", "labels", "nothing"],
)
def test_nothing_is_written_of_a_wrong_file(tmp_path, card, content):
    with pytest.raises(ConfigError):
        fetch(card, tmp_path / "out", a_source(tmp_path, content=content))
    assert not (tmp_path / "out").exists()


def test_a_set_without_an_address_says_where_to_look(tmp_path):
    with pytest.raises(ConfigError, match=r"cancerimagingarchive\.net.*--source"):
        fetch("lidc_nodules", tmp_path)


def test_unknown_data_set_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no data set 'xyz'"):
        fetch("xyz", tmp_path, tmp_path)


def test_a_download_is_unpacked_and_thrown_away(tmp_path):
    content = write_npz(tmp_path / "a.npz").read_bytes()
    with serve(Answer(content, cut=300), Answer(content)) as server:
        own = served_card(tmp_path, server, content)
        result = fetch(own, tmp_path / "out", patience=AT_ONCE)
    assert result.contents.checksum is Checksum.VERIFIED
    assert server.ranges == [None, "bytes=300-"]
    names = {path.name for path in result.folder.iterdir()}
    assert names == {"images", "labels.csv", "data_set.json", "experiment.yaml"}


def test_what_is_complete_is_not_downloaded_again(tmp_path):
    content = write_npz(tmp_path / "a.npz").read_bytes()
    with serve(Answer(content)) as server:
        own = served_card(tmp_path, server, content)
        first = fetch(own, tmp_path / "out", patience=AT_ONCE)
        second = fetch(own, tmp_path / "out", patience=AT_ONCE)
    assert len(server.ranges) == 1
    assert second.contents == first.contents
    assert (second.n_written, second.n_kept) == (0, None)


@pytest.mark.parametrize("loss", ["cut", "gone"])
def test_what_was_complete_and_lost_a_file_is_downloaded_again(tmp_path, loss):
    content = write_npz(tmp_path / "a.npz").read_bytes()
    with serve(Answer(content)) as server:
        own = served_card(tmp_path, server, content)
        folder = fetch(own, tmp_path / "out", patience=AT_ONCE).folder
        lost = folder / "images" / "val_000000.png"
        lost.write_bytes(b"") if loss == "cut" else lost.unlink()
        assert fetch(own, tmp_path / "out", patience=AT_ONCE).n_written == 1


def test_a_download_without_a_checksum_is_unverified(tmp_path):
    content = write_npz(tmp_path / "a.npz").read_bytes()
    with serve(Answer(content)) as server:
        own = served_card(tmp_path, server, None)
        result = fetch(own, tmp_path / "out", patience=AT_ONCE)
    assert result.contents.checksum is Checksum.UNVERIFIED


def test_a_download_of_another_file_is_refused(tmp_path):
    content = write_npz(tmp_path / "a.npz").read_bytes()
    with serve(Answer(content + b"x")) as server:
        own = served_card(tmp_path, server, content)
        with pytest.raises(DatasetError, match="not the published one"):
            fetch(own, tmp_path / "out", patience=AT_ONCE)


def test_a_broken_download_goes_on_in_the_next_run(tmp_path):
    content = write_npz(tmp_path / "a.npz").read_bytes()
    with serve(Answer(content, cut=300), Answer(content, cut=0)) as server:
        own = served_card(tmp_path, server, content)
        with pytest.raises(MachineError, match="is kept, run again later"):
            fetch(own, tmp_path / "out", patience=AT_ONCE)
        server.answers[:] = [Answer(content)]
        assert fetch(own, tmp_path / "out", patience=AT_ONCE).n_written == 8
    assert server.ranges[-1] == "bytes=300-"


def test_a_folder_that_holds_the_tar_is_a_source(tmp_path):
    task = write_decathlon(tmp_path / "Task04_Hippocampus")
    (tmp_path / "in").mkdir()
    write_tar(tmp_path / "in" / "Task04_Hippocampus.tar", task)
    contents = fetch("hippocampus", tmp_path / "out", tmp_path / "in").contents
    assert (contents.n_pairs, contents.checksum) == (2, Checksum.DIFFERENT)


def test_scans_and_masks_without_a_partner_are_named(tmp_path):
    source = write_decathlon(tmp_path / "in", images=("a", "b"), labels=("b", "c"))
    contents = fetch("hippocampus", tmp_path / "out", source).contents
    assert (contents.n_scans, contents.n_pairs) == (2, 1)
    assert contents.scans_without_mask == ("a",)
    assert contents.masks_without_scan == ("c",)
    assert contents.checksum is Checksum.FOLDER


def test_a_hostile_tar_is_refused_before_anything_is_written(tmp_path):
    link = tarfile.TarInfo("Task04_Hippocampus/imagesTr/c.nii.gz")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    task = write_decathlon(tmp_path / "Task04_Hippocampus")
    file = write_tar(tmp_path / "evil.tar", task, link)
    with pytest.raises(ConfigError, match=r"'evil\.tar' is refused: .* is a link"):
        fetch("hippocampus", tmp_path / "out", file)
    assert not (tmp_path / "out").exists()


def test_a_users_own_folder_needs_no_masks(tmp_path):
    source = write_decathlon(tmp_path / "in", suffix="")
    (source / "labels.csv").write_text("scan,label\na,0\nb,1\n")
    contents = fetch("folder_with_labels", tmp_path / "out", source).contents
    assert (contents.n_scans, contents.n_pairs) == (2, None)


def test_a_full_disk_ends_in_75_and_the_next_run_goes_on(tmp_path):
    content = write_npz(tmp_path / "a.npz").read_bytes()
    with serve(Answer(content)) as server:
        own = served_card(tmp_path, server, content)
        command = [sys.executable, "-m", "voxray", "data", "fetch", own]
        full = subprocess.run(
            [*command, "--to", str(tmp_path / "out")],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600)),
        )
        assert full.returncode == 75
        assert "cannot write 'tiny.npz.part'" in full.stderr
        part = tmp_path / "out" / "tiny" / ".download" / "tiny.npz.part"
        assert part.stat().st_size == 600
        assert fetch(own, tmp_path / "out", patience=AT_ONCE).contents.n_scans == 7


SHARED = os.environ.get("VOXRAY_SHARED_DATA", "")  # noqa: TID251


@pytest.mark.skipif(
    not Path(SHARED, "hippocampus").is_dir() or not SHARED,
    reason="needs the data sets in VOXRAY_SHARED_DATA",
)
class TestRealData:
    def test_hippocampus_has_200_pairs(self, tmp_path):
        contents = fetch("hippocampus", tmp_path, Path(SHARED, "hippocampus")).contents
        assert (contents.n_scans, contents.n_pairs) == (201, 200)
        assert len(contents.masks_without_scan) == 2
        assert contents.unreadable == ()

    def test_nodules_have_742_pairs(self, tmp_path):
        contents = fetch(
            "lidc_nodules", tmp_path, Path(SHARED, "lidc_nodules")
        ).contents
        assert (contents.n_scans, contents.n_pairs) == (742, 742)

    @pytest.mark.parametrize(
        ("name", "train", "val"),
        [
            ("breastmnist", 546, 78),
            ("pneumoniamnist", 4708, 524),
            ("adrenalmnist3d", 1188, 98),
        ],
    )
    def test_medmnist_has_train_and_val(self, tmp_path, name, train, val):
        contents = fetch(name, tmp_path, Path(SHARED, "medmnist")).contents
        assert contents.splits == {"train": train, "val": val}
        assert contents.missing_splits == ("test",)
        assert contents.checksum is Checksum.DIFFERENT
