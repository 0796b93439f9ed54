import csv
import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch

from tests.makers import Series, truncate, write_nifti, write_series
from tests.unit.model.makers import a_network, a_package, a_plan, write_model
from tests.unit.score.makers import SHAPE, a_request, scored, write_scan
from voxray.core.errors import ConfigError, MachineError, ManifestError
from voxray.core.files import alone, read_json
from voxray.core.specs import (
    ChannelRules,
    ExamColumn,
    IntakeRules,
    ReferenceValues,
)
from voxray.model import save_network, write_package
from voxray.score import scored_model
from voxray.score.folder import LOCK_FILE, STATUS_FILE


class KilledError(Exception):
    """Raised in the middle of scoring."""


def killed_after(n):
    def listen(event):
        if event.task == "scoring" and event.done == n:
            raise KilledError

    return listen


def table(out):
    with (out / "scores.csv").open(encoding="utf-8", newline="") as stream:
        return {row["scan_id"]: row for row in csv.DictReader(stream)}


def lasting(out):
    """Bytes of all files but the one with times."""
    files = (p for p in out.rglob("*") if p.is_file() and p.name != STATUS_FILE)
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in files}


def test_each_volume_gets_a_row_with_everything(tmp_path):
    summary = scored(a_request(tmp_path))
    rows = table(tmp_path / "out")
    assert list(rows) == ["c0", "c1", "c2"]
    for row in rows.values():
        assert row["status"] == "scored"
        assert row["decision"] in {"healthy", "ill"}
        total = float(row["p_healthy"]) + float(row["p_ill"])
        assert total == pytest.approx(1, abs=1e-5)
        assert (row["threshold"], row["model"]) == ("0.5", "toy")
        assert float(row["uncertainty"]) >= 0
    assert summary.counts == {"scored": 3, "refused": 0, "not_selected": 0, "failed": 0}


def test_a_mask_lies_on_the_scans_own_grid(tmp_path):
    affine = np.zeros((4, 4))
    affine[2, 0], affine[0, 1], affine[1, 2], affine[3, 3] = 1, -1, 1, 1
    affine[:3, 3] = (30, -4, 8)
    voxels = np.random.default_rng(0).integers(0, 900, (12, 16, 20), np.int16)
    write_nifti(tmp_path / "scans" / "turned.nii.gz", voxels, affine)
    scored(a_request(tmp_path, 0, "segment"))
    row = table(tmp_path / "out")["turned"]
    mask = nib.Nifti1Image.from_filename(tmp_path / "out" / row["mask"])
    labels = np.asarray(mask.dataobj)
    np.testing.assert_allclose(np.asarray(mask.affine), affine)
    assert labels.shape == (12, 16, 20)
    assert set(np.unique(labels)) <= {0, 1}
    assert float(row["volume_ml_lesion"]) == pytest.approx(labels.sum() / 1000)


def test_the_ensemble_sees_the_scan_whatever_way_it_is_stored(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 900, SHAPE, np.int16)
    write_nifti(tmp_path / "scans" / "a.nii.gz", voxels, np.eye(4))
    flipped = np.diag([-1.0, 1.0, 1.0, 1.0])
    flipped[0, 3] = SHAPE[0] - 1
    write_nifti(tmp_path / "scans" / "b.nii.gz", voxels[::-1].copy(), flipped)
    scored(a_request(tmp_path, 0))
    rows = table(tmp_path / "out")
    assert rows["a"]["p_ill"] == rows["b"]["p_ill"]
    assert rows["a"]["volume_ml_lesion"] == rows["b"]["volume_ml_lesion"]


@pytest.mark.parametrize("task", ["classify", "segment"])
def test_a_model_with_one_head_fills_its_own_columns(tmp_path, task):
    scored(a_request(tmp_path, 1, task))
    row = table(tmp_path / "out")["c0"]
    assert ("p_ill" in row) == (task == "classify")
    assert ("volume_ml_lesion" in row) == (task == "segment")
    assert bool(row["mask"]) == (task == "segment")
    assert bool(row["decision"]) == (task == "classify")


def test_a_scan_outside_the_training_range_is_refused_with_numbers(tmp_path):
    write_scan(tmp_path / "scans" / "head.nii.gz", shape=(60, 60, 60))
    summary = scored(a_request(tmp_path))
    row = table(tmp_path / "out")["head"]
    assert (row["status"], row["reason_code"]) == ("refused", "outside-training-range")
    assert row["reason"] == (
        "left-right field of view is 60.0 mm, training scans had 16.0 mm"
    )
    assert row["mask"] == row["decision"] == ""
    assert not (tmp_path / "out" / "masks" / "head.nii.gz").exists()
    assert summary.counts["refused"] == 1


def test_a_scan_in_other_units_is_refused_before_the_network_sees_it(tmp_path):
    package = a_package(a_plan("segment"))
    values = ReferenceValues(
        darkest=(0, 20), median=(400, 500), brightest=(880, 900), span=890
    )
    references = package.references.model_copy(update={"values": values})
    write_model(tmp_path / "model", "segment", references=references)
    voxels = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    write_nifti(tmp_path / "scans" / "scaled.nii.gz", voxels, np.eye(4))
    summary = scored(a_request(tmp_path))
    row = table(tmp_path / "out")["scaled"]
    assert (row["status"], row["reason_code"]) == ("refused", "outside-training-range")
    assert row["reason"].endswith("the scan may be in other units")
    assert summary.counts == {"scored": 3, "refused": 1, "not_selected": 0, "failed": 0}


def test_another_modality_is_refused(tmp_path):
    series = Series(modality="CT", n_slices=12, rows=20, columns=16)
    write_series(tmp_path / "scans" / "ct", replace(series, spacing_mm=(1.0, 1.0, 1.0)))
    scored(a_request(tmp_path, 0))
    (row,) = table(tmp_path / "out").values()
    assert "modality is CT" in row["reason"]


def test_what_intake_does_not_accept_is_a_row_too_but_a_stray_file_is_none(tmp_path):
    series = Series(n_slices=12, rows=20, columns=16)
    files = write_series(tmp_path / "scans" / "gap", series)
    files[5].unlink()
    (tmp_path / "scans" / "notes.txt").write_text("x")
    summary = scored(a_request(tmp_path, 1))
    refused = [r for r in summary.rows if r.status == "refused"]
    assert [r.reason_code for r in refused] == ["missing-slice"]
    assert len(summary.rows) == 2
    said = read_json(tmp_path / "out" / "summary.json")
    assert said["status"]["refused"] == 1
    assert said["reasons"] == {"missing-slice": 1}
    assert sum(said["files"].values()) == 13


def test_exams_that_a_table_named_in_training_are_studies_of_new_scans(tmp_path):
    rules = IntakeRules(
        channels={"image": ChannelRules(choose="first")},
        exam=ExamColumn(column="visit"),
    )
    write_model(tmp_path / "model", rules=rules)
    series = Series(n_slices=12, rows=20, columns=16, spacing_mm=(1.0, 1.0, 1.0))
    write_series(tmp_path / "scans" / "a", series)

    summary = scored(a_request(tmp_path, 0))

    assert [row.status for row in summary.rows] == ["scored"]


def test_a_volume_that_fails_is_a_row_and_the_others_are_scored(tmp_path):
    request = a_request(tmp_path)

    def spoil(event):
        if event.task == "scoring" and event.done == 1:
            truncate(tmp_path / "scans" / "c1.nii.gz", 0.5)

    summary = scored(request, listen=spoil)
    row = table(tmp_path / "out")["c1"]
    assert (row["status"], row["reason_code"]) == ("failed", "processing-failed")
    assert row["reason"]
    assert str(tmp_path) not in row["reason"]
    assert summary.counts["scored"] == 2
    write_scan(tmp_path / "scans" / "c1.nii.gz", 1)
    again = scored(request)
    assert again.counts["failed"] == 0
    assert again.n_resumed == 2


@pytest.mark.parametrize("task", ["classify", "segment"])
def test_a_network_that_says_no_number_fails_and_never_reads_as_healthy(tmp_path, task):
    request = a_request(tmp_path, 1, task)
    state = a_network(a_plan(task)).state_dict()
    broken = {name: torch.full_like(value, torch.nan) for name, value in state.items()}
    save_network(tmp_path / "model" / "fold_0.safetensors", broken)
    write_package(tmp_path / "model", a_package(a_plan(task)), "# toy")
    scored(request)
    assert table(request.out)["c0"]["status"] == "failed"


def test_two_runs_give_the_same_bytes(tmp_path):
    request = a_request(tmp_path)
    for name in ("one", "two"):
        scored(replace(request, out=tmp_path / name))
    assert lasting(tmp_path / "one") == lasting(tmp_path / "two")


@pytest.mark.parametrize("n", [1, 2])
def test_a_killed_run_is_continued_to_the_same_bytes(tmp_path, n):
    request = a_request(tmp_path)
    scored(replace(request, out=tmp_path / "whole"))
    with pytest.raises(KilledError):
        scored(request, listen=killed_after(n))
    summary = scored(request)
    assert summary.n_resumed == n
    assert lasting(tmp_path / "out") == lasting(tmp_path / "whole")


def test_a_run_killed_while_it_read_headers_is_continued(tmp_path):
    request = a_request(tmp_path)
    private = request.out / "private"
    private.mkdir(parents=True)
    (private / ".index.sqlite").write_bytes(b"torn")
    (private / ".index.sqlite-journal").write_bytes(b"torn")

    assert scored(request).counts["scored"] == 3


def test_a_second_run_reads_no_scan_to_know_it(tmp_path):
    request = a_request(tmp_path)
    scored(request)
    totals = {}
    scored(request, listen=lambda event: totals.update({event.task: event.total}))
    assert totals["reading headers"] == totals["reading pixels"] == 0


@pytest.mark.parametrize("file", ["scores.csv", STATUS_FILE])
def test_torn_last_lines_spoil_nothing_even_twice(tmp_path, file):
    request = a_request(tmp_path)
    scored(replace(request, out=tmp_path / "whole"))
    for n_done in (2, 1):
        with pytest.raises(KilledError):
            scored(request, listen=killed_after(n_done))
        truncate(tmp_path / "out" / file, 0.97)
    scored(request)
    assert lasting(tmp_path / "out") == lasting(tmp_path / "whole")


def test_a_run_killed_before_its_first_line_was_whole_starts_anew(tmp_path):
    request = a_request(tmp_path)
    request.out.mkdir()
    (request.out / STATUS_FILE).write_text('{"time": "2026', encoding="utf-8")
    assert scored_model(request.out) is None
    assert scored(request).counts["scored"] == 3
    lines = (request.out / STATUS_FILE).read_text().splitlines()
    assert "model_sha256" in json.loads(lines[0])


def test_a_finished_folder_is_kept(tmp_path):
    request = a_request(tmp_path)
    scored(request)
    before = lasting(request.out)
    assert scored(request).n_resumed == 3
    assert lasting(request.out) == before


@pytest.mark.parametrize("change", ["pixels", "mask"])
def test_a_changed_scan_or_a_lost_mask_is_scored_again(tmp_path, change):
    request = a_request(tmp_path)
    scored(request)
    before = table(request.out)["c1"]
    if change == "pixels":
        write_scan(tmp_path / "scans" / "c1.nii.gz", 99)
    else:
        (request.out / before["mask"]).unlink()
    assert scored(request).n_resumed == 2
    assert (table(request.out)["c1"] == before) == (change == "mask")


def test_a_scan_whose_header_was_put_right_is_scored_again(tmp_path):
    request = a_request(tmp_path)
    path = tmp_path / "scans" / "c1.nii.gz"
    write_scan(path, 1, spacing=3.0)
    assert scored(request).counts["refused"] == 1

    write_scan(path, 1)  # the same voxels

    summary = scored(request)
    assert summary.counts["scored"] == 3
    assert summary.n_resumed == 2


def test_a_folder_that_another_process_scores_into_is_left_alone(tmp_path):
    request = a_request(tmp_path)
    scored(request)
    before = lasting(request.out)

    with alone(request.out / "private" / LOCK_FILE, "scores into it"):
        with pytest.raises(
            MachineError, match=r"another run \(process \d+\) scores into .*/out'"
        ):
            scored(request)
        assert lasting(request.out) == before
    assert scored(request).n_resumed == 3


def test_a_scan_that_is_gone_has_no_row_and_no_mask_any_more(tmp_path):
    request = a_request(tmp_path)
    scored(request)
    (tmp_path / "scans" / "c1.nii.gz").unlink()
    scored(request)
    assert list(table(request.out)) == ["c0", "c2"]
    masks = sorted(p.name for p in (request.out / "masks").iterdir())
    assert masks == ["c0.nii.gz", "c2.nii.gz"]


def test_a_limit_scores_so_many_and_a_later_run_the_rest(tmp_path):
    request = a_request(tmp_path)
    assert len(scored(replace(request, limit=2)).rows) == 2
    summary = scored(request)
    assert (summary.n_resumed, len(summary.rows)) == (2, 3)


def test_the_folder_of_another_model_is_refused(tmp_path):
    request = a_request(tmp_path)
    scored(request)
    write_model(tmp_path / "other", seed=5)
    with pytest.raises(ConfigError, match=r"scores of another model \(\w{12}…, now"):
        scored(replace(request, model=tmp_path / "other"))


def test_a_folder_with_other_files_is_refused(tmp_path):
    request = a_request(tmp_path)
    request.out.mkdir()
    (request.out / "thesis.doc").write_text("x")
    with pytest.raises(ConfigError, match=r"are no scores, e\.g\. 'thesis\.doc'"):
        scored(request)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    request = a_request(tmp_path)
    request.out.write_text("x")
    with pytest.raises(ConfigError, match="is a file, a folder is needed"):
        scored(request)


def test_a_changed_model_scores_nothing(tmp_path):
    request = a_request(tmp_path)
    (tmp_path / "model" / "card.md").write_text("other")
    with pytest.raises(ManifestError, match=r"card\.md"):
        scored(request)
    assert not request.out.exists()


def test_a_folder_without_scans_is_refused(tmp_path):
    request = a_request(tmp_path, 0)
    (tmp_path / "scans").mkdir()
    with pytest.raises(ConfigError):
        scored(request)


def test_paths_stand_in_the_private_folder_only(tmp_path):
    request = a_request(tmp_path)
    scored(request)
    private = request.out / "private"
    assert private.stat().st_mode & 0o777 == 0o700
    assert str(tmp_path) in (private / "sources.json").read_text()
    for name, content in lasting(request.out).items():
        assert name.startswith("private/") or str(tmp_path).encode() not in content
