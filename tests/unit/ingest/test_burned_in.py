from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import get_data_path
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.uid import SecondaryCaptureImageStorage, UltrasoundImageStorage

from tests.makers import Series, a_slice, save_dicom, set_pixels
from tests.unit.ingest.image_makers import a_body
from tests.unit.ingest.makers import codes, take_in
from voxray.core.findings import FindingCode
from voxray.ingest.burned_in import text_finding, text_lines

FONT = str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


def a_fan(n_rows: int = 400) -> NDArray[np.uint8]:
    """Speckle in a sector on black, as ultrasound shows it."""
    n_columns = n_rows * 4 // 3
    row, column = np.mgrid[0:n_rows, 0:n_columns]
    radius = np.hypot(row - 5, column - n_columns / 2)
    angle = np.abs(np.arctan2(column - n_columns / 2, row - 5))
    inside = (angle < 0.7) & (radius < 0.9 * n_rows) & (radius > 20)
    speckle = np.random.default_rng(0).gamma(3, 20, row.shape)
    return np.where(inside, np.clip(speckle, 0, 255), 0).astype(np.uint8)


def written(plane: NDArray[np.uint8], size: int, grey: int = 255) -> NDArray[np.uint8]:
    image = Image.fromarray(plane)
    font = ImageFont.truetype(FONT, size)
    ImageDraw.Draw(image).text((8, 6), "DOE^JANE 1980-02-01 4711", grey, font)
    return np.asarray(image)


def lines(plane: NDArray[Any]) -> list[tuple[int, int, int, int]]:
    return text_lines(plane.astype(np.float32))


@pytest.mark.parametrize(
    ("size", "grey"), [(10, 180), (12, 255), (14, 180), (18, 255), (24, 255), (32, 255)]
)
def test_letters_on_a_dark_ground_are_suspected(size: int, grey: int) -> None:
    found = lines(written(a_fan(), size, grey))
    assert found


def test_an_image_without_letters_is_not_suspected() -> None:
    assert lines(a_fan()) == []
    assert lines(a_body(shape=(256, 256, 1))[..., 0]) == []


def test_noise_of_two_values_is_not_text() -> None:
    assert lines(np.random.default_rng(0).integers(0, 2, (256, 256))) == []


def test_a_small_or_blank_image_holds_no_legible_text() -> None:
    assert lines(a_fan()[:90, :90]) == []
    assert lines(np.zeros((200, 200))) == []


def test_the_place_of_the_longest_line_is_told() -> None:
    voxels = written(a_fan(), 14).T[:, :, None]
    finding = text_finding(voxels, stated=None)
    assert finding is not None
    assert "letter-like strokes" in finding.detail
    assert "row 1" in finding.detail


@pytest.mark.parametrize("stated", [True, False])
def test_the_header_adds_to_what_is_seen(*, stated: bool) -> None:
    blank = np.zeros((200, 200, 1))
    assert (text_finding(blank, stated=stated) is not None) == stated


def a_picture(folder: Path, uid: str, modality: str) -> None:
    dataset = a_slice(Series(modality=modality), 0)
    dataset.SOPClassUID = uid
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient"):
        delattr(dataset, keyword)
    set_pixels(dataset, written(a_fan(), 14))
    save_dicom(dataset, folder / "a.dcm")


@pytest.mark.parametrize(
    ("uid", "modality"),
    [(UltrasoundImageStorage, "US"), (SecondaryCaptureImageStorage, "OT")],
)
def test_intake_looks_at_ultrasound_and_captures_and_draws_none_of_them(
    tmp_path: Path, uid: str, modality: str
) -> None:
    a_picture(tmp_path / "scans", uid, modality)
    thumbnails = tmp_path / "thumbnails"
    intake = take_in(tmp_path / "scans", patient="dicom", thumbnails=thumbnails)
    assert codes(intake) == {}
    (record,) = intake.records
    assert FindingCode.BURNED_IN_TEXT in [f.code for f in record.findings]
    assert not thumbnails.exists()
