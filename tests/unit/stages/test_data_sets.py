"""What a person reads about data sets."""

import pytest

from tests.unit.datasets.makers import arrays, write_card, write_decathlon, write_npz
from voxray.core.errors import ConfigError
from voxray.core.progress import ignore_progress
from voxray.stages import data_sets


def fetch(name, tmp_path, source):
    return data_sets.fetch(name, tmp_path / "to", source, ignore_progress)


def test_data_sets_have_a_row_each():
    rows = data_sets.list_all()
    assert all(len(row) == len(data_sets.LIST_HEADER) for row in rows)
    by_name = {row[0]: row for row in rows}
    assert by_name["hippocampus"][1:4] == ("260", "segmentation", "CC BY-SA 4.0")


def test_a_card_is_described_with_classes_patients_and_sizes():
    facts = dict(data_sets.describe("breastmnist"))
    assert facts["classes"] == "0 malignant, 1 normal, benign"
    assert facts["splits"] == "train 546, val 78, test 156"
    assert facts["fetch"].endswith("breastmnist_224")
    assert facts["checksums"] == "md5, md5, md5, md5"
    assert "no patients" in facts["patients"]


def test_a_folder_card_says_its_layout_and_that_nothing_is_verified():
    facts = dict(data_sets.describe("lidc_nodules"))
    assert "nodules.csv" in facts["layout"]
    assert "checksums" not in facts
    assert facts["in masks"] == "1 nodule"


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match="did you mean"):
        data_sets.describe("brestmnist")


def test_what_does_not_fit_together_is_counted(tmp_path):
    source = write_decathlon(tmp_path / "in", images=("a",), labels=("a", "b"))
    fetched = fetch("hippocampus", tmp_path, source)
    assert fetched.outcome.n_unused == 1
    assert "1 scans, 1 with a mask, 0 without" in fetched.outcome.message
    assert "1 masks without a scan; 3 files written, 0 kept" in fetched.outcome.message


def test_missing_splits_are_one_line_and_the_next_step_another(tmp_path):
    card = str(write_card(tmp_path / "tiny.yaml"))
    write_npz(tmp_path / "in" / "tiny_trainval.npz", arrays(train=3, val=2))
    fetched = fetch(card, tmp_path, tmp_path / "in")
    assert "missing_splits: test, which the source does not hold" in fetched.notes
    assert "published: 7 scans (train 3, val 2, test 2)" in fetched.notes
    assert fetched.notes[-1].startswith("next: voxray run ")
    assert "5 scans (train 3, val 2); 6 files written" in fetched.outcome.message


def test_unreadable_files_are_counted_and_named_in_the_record_only(tmp_path):
    source = write_decathlon(tmp_path / "in")
    (source / "imagesTr" / "b.nii.gz").write_bytes(b"x")
    fetched = fetch("hippocampus", tmp_path, source)
    notes = "\n".join(fetched.notes)
    assert "unreadable: 1 files, named in" in notes
    assert "b.nii.gz" not in notes
    record = tmp_path / "to" / "hippocampus" / "data_set.json"
    assert "images/b.nii.gz" in record.read_text()
    assert fetched.outcome.n_unused == 1


def test_scans_without_masks_of_a_users_own_folder_are_no_pairs(tmp_path):
    source = write_decathlon(tmp_path / "in", suffix="")
    (source / "labels.csv").write_text("scan,label\na,0\n")
    fetched = fetch("folder_with_labels", tmp_path, source)
    assert ": 2 scans; " in fetched.outcome.message
