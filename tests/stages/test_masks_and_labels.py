"""DICOM masks and several labels, through the stages that take them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.makers import Series, save_dicom
from tests.mask_makers import a_seg, a_structure_set, full_slices, save_mask, square
from tests.stages.makers import a_session, an_experiment, write_scans
from voxray.core.errors import DatasetError
from voxray.manifest import read_manifest
from voxray.preprocess import read_index
from voxray.stages.run import Span, run_experiment

AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])
GOOD = Series(n_slices=12, rows=20, columns=16, extra={"ImagesInAcquisition": 12})


def write_patients(folder: Path, n_patients: int = 4) -> None:
    """Series with a mask beside each: a SEG, then an RTSTRUCT of the same voxels."""
    for n in range(n_patients):
        name = f"p{n}"
        series = replace(GOOD, name=name, patient=name, study=name, seed=n)
        slices = full_slices(series)
        for k, dataset in enumerate(slices):
            save_dicom(dataset, folder / "scans" / name / f"{k}.dcm")
        if n % 2:
            corners = (3.5, 4.5), (8.5, 12.5)
            boxes = [square(*corners, k, AFFINE) for k in range(2, 7)]
            mask = a_structure_set(slices[0], {"Lesion": boxes, "Skin": boxes})
        else:
            voxels = np.zeros((12, 20, 16), np.uint8)
            voxels[2:7, 5:13, 4:9] = 1
            mask = a_seg(slices, voxels, ("Lesion",))
        save_mask(mask, folder / "scans" / name / "mask.dcm")


def test_dicom_masks_beside_the_scans_become_arrays(tmp_path: Path) -> None:
    write_patients(tmp_path)
    scans = tmp_path / "scans"
    experiment = an_experiment(
        tmp_path,
        data={"scans": scans, "masks": scans},
        task={"segment": {"classes": {"lesion": {"value": 3}}}},
        train={"spacing_mm": (1, 1, 2)},
    )

    code = run_experiment(
        experiment, a_session(tmp_path, []), Span("ingest", "preprocess")
    )

    assert code == 0
    masks = [
        exam.read_mask()
        for exam in read_index(tmp_path / "workspace/toy/preprocess").values()
    ]
    assert len(masks) == 4
    for mask in masks:
        assert mask is not None
        assert mask.sum() == 5 * 8 * 5
        np.testing.assert_array_equal(mask, masks[0])


def several_labels(folder: Path, **sections: Any) -> Any:
    write_scans(folder, 8)
    lines = ["scan,effusion,nodule"]
    lines += [f"c{n},{n % 2},{'NA' if n == 7 else n // 4}" for n in range(8)]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    data = {
        "scans": folder / "scans",
        "labels": {"table": folder / "labels.csv"},
        "patient": "each_file",
        "ids": "path",
    }
    task = {"classify": {"columns": ["effusion", "nodule"]}}
    return an_experiment(folder, data=data, task=task, **sections)


def test_several_labels_are_split_into_folds(tmp_path: Path) -> None:
    experiment = several_labels(tmp_path)

    code = run_experiment(
        experiment, a_session(tmp_path, []), Span("ingest", "split_folds")
    )

    assert code == 0
    records = read_manifest(tmp_path / "workspace/toy/ingest/manifest.csv")
    assert [record.labels for record in records][::7] == [
        {"effusion": 0, "nodule": 0},
        {"effusion": 1},
    ]


def test_a_label_that_nobody_has_is_refused_before_training(tmp_path: Path) -> None:
    experiment = several_labels(tmp_path)
    table = tmp_path / "labels.csv"
    rows = [line.split(",") for line in table.read_text().splitlines()]
    rows = [rows[0], *([scan, "0", nodule] for scan, _, nodule in rows[1:])]
    table.write_text("\n".join(map(",".join, rows)) + "\n")

    with pytest.raises(DatasetError, match="'effusion' is there in 0 patients and abs"):
        run_experiment(experiment, a_session(tmp_path, []))
