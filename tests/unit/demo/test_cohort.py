"""The cohort as files, on a roster of a few people."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from voxray.core.errors import ConfigError
from voxray.core.findings import FindingCode
from voxray.core.ids import Pseudonymizer
from voxray.core.progress import Progress
from voxray.core.specs import ChannelRules, Experiment, IntakeRules
from voxray.core.specs.data import LabelKey, LabelsSpec
from voxray.demo.cohort import write_roster
from voxray.demo.roster import Dirt, Roster, draw_roster
from voxray.ingest import IntakeOptions, ingest_folder

SEED = 7
TASK = Experiment.model_validate(
    {
        "name": "x",
        "data": {"scans": ".", "masks": ".", "labels": {"table": "t.csv"}},
        "task": {
            "classify": {
                "column": "lesion",
                "classes": {"healthy": "no", "lesion": "yes"},
                "level": "patient",
            },
            "segment": {"classes": {"lesion": {"value": 1}}},
        },
    }
).task


def a_roster(seed=SEED, known=tuple(Dirt)[:-1], new=(Dirt.SMALL_FIELD,)):
    full = draw_roster(seed)
    pick = {p.dirt: p for p in (*full.new, *full.known)}
    clean = replace(pick[Dirt.NONE], scanners=(1,))
    pick[Dirt.NONE] = clean
    return Roster(seed, tuple(pick[d] for d in known), tuple(pick[d] for d in new))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_roster(tmp_path_factory.mktemp("cohort") / "demo", a_roster())


@pytest.fixture(scope="module")
def planted(cohort):
    return json.loads(cohort.planted.read_text())["planted"]


@pytest.fixture(scope="module")
def intake(cohort):
    labels = LabelsSpec(
        table=cohort.labels, key=LabelKey(column="patient_id"), by="patient"
    )
    options = IntakeOptions(
        scans=cohort.scans,
        masks=cohort.masks,
        labels=labels,
        rules=IntakeRules(channels={"flair": ChannelRules(modality=("MR",))}),
        task=TASK,
    )
    return ingest_folder(options, Pseudonymizer(b"k" * 32, readable=True))


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_planted_thing_exists_in_the_scan_folder(cohort, planted):
    roots = {"scans": cohort.scans, "inbox": cohort.inbox}
    assert len(planted) == 7 + 1 - 1 + 4
    for row in planted:
        assert (roots[row["where"]] / row["path"]).exists()
        assert row["code"] is None or FindingCode(row["code"])


def test_list_of_the_planted_lies_outside_the_scanned_folders(cohort):
    assert cohort.planted.parent == cohort.scans.parent == cohort.inbox.parent


def test_intake_finds_each_planted_code_and_nothing_else(intake, planted):
    seen = {(str(row.path), str(row.code)) for row in intake.quarantine}
    for record in intake.records:
        seen |= {(str(record.path), str(f.code)) for f in record.findings}
    wanted = {
        (row["path"], row["code"])
        for row in planted
        if row["where"] == "scans" and row["code"]
    }
    assert wanted <= seen
    spoiled = {str(Path(path).parent) for path, code in wanted if "truncated" in code}
    extra = {(path, code) for path, code in seen - wanted if path not in spoiled}
    harmless = {FindingCode.MASK_EMPTY, FindingCode.DERIVED_IMAGE}
    assert {code for _, code in extra} <= harmless


def test_both_series_of_one_folder_are_used_each_with_its_mask(intake, planted):
    (folder,) = [r["path"] for r in planted if r["what"].startswith("two good")]
    both = [r for r in intake.records if str(r.path) == folder]
    assert len(both) == 2
    assert len({r.mask_path for r in both}) == 2


def test_table_has_a_row_for_all_but_the_unlabelled(cohort):
    rows = cohort.labels.read_text().splitlines()
    assert rows[0] == "patient_id,lesion,age_years,sex,scanner"
    assert len(rows) - 1 == len(a_roster().known) - 1


def test_inbox_has_no_masks(cohort):
    patients = {path.name for path in cohort.masks.iterdir()}
    assert not patients & {path.name for path in cohort.inbox.iterdir()}


def test_same_seed_gives_the_same_bytes(tmp_path):
    small = a_roster(known=(Dirt.SMALL_FIELD,), new=(Dirt.SMALL_FIELD,))
    one = write_roster(tmp_path / "one", small)
    two = write_roster(tmp_path / "two", small)
    assert hashes(one.scans.parent) == hashes(two.scans.parent)


def test_cohort_that_is_there_already_is_left_alone(cohort):
    before = cohort.planted.stat().st_mtime_ns
    events: list[Progress] = []
    assert write_roster(cohort.scans.parent, a_roster(), events.append) == cohort
    assert cohort.planted.stat().st_mtime_ns == before
    assert events == []


def test_cohort_of_another_seed_is_replaced_and_a_partial_one_removed(tmp_path):
    folder, leftover = tmp_path / "demo", tmp_path / ".demo.partial"
    leftover.mkdir()
    small = a_roster(known=(Dirt.SMALL_FIELD,), new=())
    write_roster(folder, small)
    events: list[Progress] = []
    paths = write_roster(folder, replace(small, seed=8), events.append)
    assert json.loads(paths.planted.read_text())["seed"] == 8
    assert (events[-1].done, events[-1].total) == (1, 1)
    assert not leftover.exists()


def test_folder_with_other_things_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds 'thesis.txt'"):
        write_roster(tmp_path, a_roster())
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_scans_without_the_list_of_a_cohort_are_refused(tmp_path):
    (tmp_path / "scans").mkdir()
    with pytest.raises(ConfigError, match="no part of a demonstration cohort"):
        write_roster(tmp_path, a_roster())


def test_images_of_two_visits_differ(intake, planted):
    (folder,) = [r["path"] for r in planted if r["what"].startswith("two good")]
    pixels = [r.sha256_pixels for r in intake.records if str(r.path) == folder]
    assert len(np.unique(pixels)) == 2
