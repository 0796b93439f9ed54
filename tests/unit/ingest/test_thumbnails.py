import io
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.makers import write_nifti
from tests.unit.ingest.image_makers import a_body, a_grid
from tests.unit.ingest.makers import a_header, take_in
from voxray.core.records import FileFormat, ScanId, Sha256, Volume
from voxray.ingest import draw_missing
from voxray.ingest.scans import FoundScan
from voxray.ingest.thumbnails import (
    HEIGHT,
    Portrayal,
    draw_thumbnail,
    may_be_drawn,
    portrayal,
    thumbnail_name,
    write_thumbnail,
)

HEAD_MM = (160, 200, 240)


def a_found_scan(stored_as: FileFormat = FileFormat.DICOM, **header: Any) -> FoundScan:
    return FoundScan(
        scan_id=ScanId("s1"),
        identity="1",
        format=stored_as,
        path=PurePosixPath("a"),
        files=(),
        header=a_header(**header) if stored_as is FileFormat.DICOM else None,
    )


def a_head() -> Volume:
    """4 mm voxels; a bright block whose value is its height in mm above the feet end.

    The head ends 40 mm below the top of the image.
    """
    shape = tuple(mm // 4 for mm in HEAD_MM)
    voxels = np.zeros(shape, np.float32)
    levels = np.arange(shape[2]) * 4.0
    voxels[5:-5, 5:-5, :-10] = levels[:-10] + 100
    return Volume(voxels, a_grid(voxels.shape, (4.0, 4.0, 4.0)))


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ({"body_part": "BRAIN"}, Portrayal.HEAD),
        ({"body_part": "Head and neck"}, Portrayal.HEAD),
        ({"body_part": "CHEST"}, Portrayal.BODY),
        ({"body_part": None}, Portrayal.BY_SIZE),
        ({"modality": "US"}, Portrayal.NOTHING),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.7.4"}, Portrayal.NOTHING),
        ({"burned_in_annotation": True}, Portrayal.NOTHING),
    ],
)
def test_the_header_says_what_may_be_shown(
    header: dict[str, Any], shown: Portrayal
) -> None:
    assert portrayal(a_found_scan(**header)) is shown


@pytest.mark.parametrize(
    ("stored_as", "shown"),
    [
        (FileFormat.PICTURE, Portrayal.NOTHING),
        (FileFormat.NIFTI, Portrayal.BY_SIZE),
    ],
)
def test_without_a_header_the_format_counts(
    stored_as: FileFormat, shown: Portrayal
) -> None:
    assert portrayal(a_found_scan(stored_as)) is shown


def test_middle_slices_are_drawn_to_scale() -> None:
    body = a_body(shape=(40, 20, 10))
    pixels = draw_thumbnail(body, a_grid(body.shape), Portrayal.BY_SIZE)
    assert pixels.shape == (HEIGHT, 96 + 2 + 96 + 2 + 48)


def test_right_is_left_and_the_head_is_up() -> None:
    body = np.zeros((20, 20, 20), np.float32)
    body[15:, :, 15:] = 1.0  # right, up
    pixels = draw_thumbnail(body, a_grid(body.shape), Portrayal.BODY)
    coronal = pixels[:, 98:194]
    assert coronal[:10, :10].min() == 255
    assert coronal[50:].max() == 0
    assert coronal[:, 50:].max() == 0


def test_a_head_shows_only_slices_above_the_eyes() -> None:
    head = a_head()
    pixels = draw_thumbnail(head.voxels, head.grid, Portrayal.BY_SIZE)
    values = np.unique(pixels)
    bright = values[values > 0]
    top_mm = 196.0
    levels = (bright / 255.0) * (top_mm + 100) - 100  # back to height in mm
    assert len(bright) == 3
    assert levels.min() > top_mm - 75


def test_a_head_is_cropped_to_its_middle() -> None:
    head = a_head()
    pixels = draw_thumbnail(head.voxels, head.grid, Portrayal.HEAD)
    assert pixels[HEIGHT // 2].min() >= 0
    assert (pixels[:, :40] > 0).all()


def test_a_plane_of_a_head_is_not_drawn() -> None:
    grid = a_grid((240, 1, 200))
    assert not may_be_drawn(grid, Portrayal.HEAD)
    assert not may_be_drawn(grid, Portrayal.BY_SIZE)
    assert may_be_drawn(grid, Portrayal.BODY)
    assert may_be_drawn(a_grid((400, 1, 400)), Portrayal.BY_SIZE)


def test_an_image_too_small_for_text_is_drawn() -> None:
    assert may_be_drawn(a_grid((28, 28, 1)), Portrayal.NOTHING)
    assert not may_be_drawn(a_grid((128, 128, 1)), Portrayal.NOTHING)


def test_nothing_is_written_where_nothing_may_be_shown(tmp_path: Path) -> None:
    capture = Volume(np.ones((100, 100, 1)), a_grid((100, 100, 1)))
    write_thumbnail(capture, Portrayal.NOTHING, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_names_are_safe_and_differ_with_pixels_and_rule() -> None:
    one = thumbnail_name(ScanId("../a b"), Sha256("0"), Portrayal.BODY)
    other = thumbnail_name(ScanId("../a b"), Sha256("1"), Portrayal.BODY)
    head = thumbnail_name(ScanId("../a b"), Sha256("0"), Portrayal.HEAD)
    assert len({one, other, head}) == 3
    assert "/" not in one
    assert " " not in one


def test_missing_pictures_are_drawn_and_others_deleted(tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        write_nifti(tmp_path / "scans" / f"{name}.nii.gz", a_body(seed))
    folder = tmp_path / "thumbnails"
    folder.mkdir()
    (folder / "old.png").write_bytes(b"x")
    intake = take_in(tmp_path / "scans")

    drawn = draw_missing(intake, [ScanId("a")], folder)

    assert list(drawn) == ["a"]
    assert list(folder.iterdir()) == [drawn[ScanId("a")]]
    assert Image.open(io.BytesIO(drawn[ScanId("a")].read_bytes())).height == HEIGHT


def test_intake_draws_while_it_reads(tmp_path: Path) -> None:
    write_nifti(tmp_path / "scans" / "a.nii.gz", a_body())
    folder = tmp_path / "thumbnails"
    intake = take_in(tmp_path / "scans", thumbnails=folder)
    (picture,) = folder.iterdir()
    (tmp_path / "scans" / "a.nii.gz").unlink()
    assert draw_missing(intake, [ScanId("a")], folder) == {"a": picture}


def test_a_scan_that_is_gone_has_no_picture(tmp_path: Path) -> None:
    write_nifti(tmp_path / "scans" / "a.nii.gz", a_body())
    intake = take_in(tmp_path / "scans")
    (tmp_path / "scans" / "a.nii.gz").unlink()
    assert draw_missing(intake, [ScanId("a")], tmp_path / "thumbnails") == {}
