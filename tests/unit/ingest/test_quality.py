from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.makers import Series, write_nifti, write_series
from tests.unit.ingest.image_makers import a_body
from tests.unit.ingest.makers import take_in
from voxray.core.findings import FindingCode
from voxray.ingest.looks import slice_ranges
from voxray.ingest.quality import quality_findings


def found(voxels: NDArray[Any]) -> dict[FindingCode, str]:
    return {
        finding.code: finding.detail
        for finding in quality_findings(voxels, slice_ranges(voxels))
    }


def test_a_plain_body_has_no_finding() -> None:
    assert found(a_body().round()) == {}


def test_values_cut_off_at_the_top_are_clipped() -> None:
    body = a_body().round()
    n_cut = int((body >= 700).sum())
    detail = found(np.minimum(body, 700))[FindingCode.CLIPPED_INTENSITIES]
    assert detail.startswith(f"{n_cut:,} voxels")
    assert "the highest value, 700" in detail


def test_a_drawn_shape_is_not_clipped() -> None:
    assert found((a_body() > 500).astype(np.uint8)) == {}


def test_a_label_map_is_not_clipped() -> None:
    assert found((a_body() // 100).astype(np.uint8)) == {}


def test_a_background_of_the_highest_value_is_not_clipping() -> None:
    image = np.full((60, 60, 1), 255.0)
    image[15:45, 15:45] = a_body(shape=(30, 30, 1)).round() / 5
    assert found(image) == {}


def test_empty_slices_inside_are_named() -> None:
    body = a_body()
    body[:, :, [10, 11]] = 0
    detail = found(body)[FindingCode.EMPTY_SLICES]
    assert detail == "2 of 36 slices hold one value only (0): slice 11, 12"


def test_empty_slices_at_an_end_are_named() -> None:
    body = a_body() + 1
    body[:, :, :3] = 0
    assert "slice 1, 2, 3" in found(body)[FindingCode.EMPTY_SLICES]


def test_a_blank_background_explains_empty_slices_at_the_ends() -> None:
    masked = np.zeros((40, 40, 40))
    masked[8:32, 8:32, 8:32] = a_body(shape=(24, 24, 24)) + 1
    assert found(masked) == {}


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_intake_records_what_it_finds(tmp_path: Path, value: float) -> None:
    body = a_body()
    body[:, :, 20] = value
    write_nifti(tmp_path / "a.nii.gz", body)
    (record,) = take_in(tmp_path).records
    assert [finding.code for finding in record.findings] == ["empty-slices"]


def test_the_header_is_believed_about_burned_in_text(tmp_path: Path) -> None:
    write_series(tmp_path, Series(extra={"BurnedInAnnotation": "YES"}))
    (record,) = take_in(tmp_path, patient="dicom").records
    assert "burned-in-text" in [finding.code for finding in record.findings]
