"""Public data sets as they are fetched, through intake."""

import os
from pathlib import Path

import pytest

from tests.unit.ingest.makers import codes, take_in
from voxray.core.specs import LabelsSpec
from voxray.datasets import fetch
from voxray.ingest import Intake

_PLACE = os.environ.get("VOXRAY_SHARED_DATA", "")  # noqa: TID251 - tests only
MEDMNIST = Path(_PLACE, "medmnist")
pytestmark = pytest.mark.skipif(
    not MEDMNIST.is_dir(), reason="VOXRAY_SHARED_DATA names no such folder"
)


def intake_of(name: str, tmp_path: Path) -> Intake:
    folder = fetch(name, tmp_path, MEDMNIST).folder
    labels = LabelsSpec(table=folder / "labels.csv")
    return take_in(folder / "images", labels=labels)


def test_pneumonia_images_of_val_that_stand_in_train_are_linked(tmp_path):
    intake = intake_of("pneumoniamnist", tmp_path)
    splits = [{name.split("_")[0] for name in pair} for pair in intake.linked_patients]
    assert splits.count({"train", "val"}) == 8
    assert splits.count({"train"}) == 18
    assert codes(intake) == {"copy-of": 26}
    assert len(intake.records) == 5232 - 26


@pytest.mark.parametrize(
    ("name", "n"), [("breastmnist", 624), ("adrenalmnist3d", 1286)]
)
def test_every_scan_has_its_label_and_split(tmp_path, name, n):
    intake = intake_of(name, tmp_path)
    assert len(intake.records) == n
    assert {record.meta["split"] for record in intake.records} == {"train", "val"}
    found = {f.code for record in intake.records for f in record.findings}
    assert "no-geometry" in found
