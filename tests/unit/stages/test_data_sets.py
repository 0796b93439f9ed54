from tests.makers import write_mask, write_nifti
from voxray.core.progress import ignore_progress
from voxray.stages import data_sets


def test_data_sets_have_a_row_each():
    rows = data_sets.list_all()
    assert all(len(row) == len(data_sets.LIST_HEADER) for row in rows)
    assert "hippocampus" in [row[0] for row in rows]


def test_what_does_not_fit_together_is_counted(tmp_path):
    source = tmp_path / "source"
    write_nifti(source / "images" / "hippocampus_001.nii.gz")
    write_mask(source / "labels" / "hippocampus_001.nii.gz")
    write_mask(source / "labels" / "hippocampus_002.nii.gz")
    outcome = data_sets.fetch("hippocampus", tmp_path / "to", source, ignore_progress)
    assert outcome.n_unused == 1
    assert "1 pairs, 3 files copied" in outcome.message
    assert "1 labels without image" in outcome.message
