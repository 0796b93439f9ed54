"""When a finished fold is recorded again."""

import pytest

from voxray.core.files import write_json
from voxray.stages.train import _is_recorded


@pytest.mark.parametrize(
    ("parent", "recorded", "is_recorded"),
    [
        ("a", "1", True),
        ("b", "1", False),  # another store, or another training
        ("a", "0", False),  # under this parent, but interrupted: done.json is older
    ],
)
def test_a_finished_fold_is_recorded_again_unless_this_run_says_it_all(
    tmp_path, parent, recorded, is_recorded
):
    write_json(tmp_path / "run.json", {"parent": "a", "run": "1"})
    write_json(tmp_path / "done.json", {"run": recorded})

    assert _is_recorded(parent, tmp_path) is is_recorded


def test_a_fold_without_a_run_is_not_recorded(tmp_path):
    write_json(tmp_path / "done.json", {"job_sha256": "0"})

    assert not _is_recorded("a", tmp_path)
