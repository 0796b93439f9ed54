import io

import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from voxray.core.geometry import SpacingMm
from voxray.report import draw_overlay
from voxray.report.naming import png_size
from voxray.report.overlay import (
    VIEWS,
    best_slice,
    content_box,
    grey_window,
    outline_segments,
    slice_of,
)

AXIAL, CORONAL, SAGITTAL = VIEWS
MM = SpacingMm(1.0, 1.0, 1.0)
LESION = {"lesion": 1}


def a_ball(shape: tuple[int, int, int], spacing: SpacingMm) -> NDArray[np.float32]:
    """A ball of 40 mm diameter in the middle of the field of view."""
    index = np.indices(shape).astype(np.float64)
    away = [
        ((axis - (n - 1) / 2) * mm) ** 2
        for axis, n, mm in zip(index, shape, spacing, strict=True)
    ]
    return np.asarray(sum(away) < 20.0**2, dtype=np.float32)


def whole(volume: NDArray[np.float32]) -> tuple[slice, slice, slice]:
    i, j, k = (slice(0, n) for n in volume.shape)
    return i, j, k


def white_boxes(png: bytes) -> list[tuple[int, int]]:
    """Width and height in pixels of the white shape in each third of the picture."""
    picture = imread(io.BytesIO(png))[:, :, :3]
    white = picture.min(axis=2) > 0.5
    white = white[round(0.2 * len(white)) : round(0.82 * len(white))]
    sizes = []
    for third in np.array_split(white, 3, axis=1):
        rows = np.flatnonzero(third.sum(axis=1) > 20)
        columns = np.flatnonzero(third.sum(axis=0) > 20)
        sizes.append((int(np.ptp(columns)), int(np.ptp(rows))))
    return sizes


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((60, 60, 60), SpacingMm(1, 1, 1)),
        ((60, 60, 12), SpacingMm(1, 1, 5)),
        ((60, 12, 60), SpacingMm(1, 5, 1)),
        ((15, 120, 60), SpacingMm(4, 0.5, 1)),
    ],
)
def test_a_ball_is_round_in_every_slice_whatever_the_voxels(shape, spacing):
    png = draw_overlay(a_ball(shape, spacing), None, spacing, {})
    for width, height in white_boxes(png):
        assert width == pytest.approx(height, rel=0.14)


def test_patient_right_is_left_and_anterior_is_up_in_axial_slices():
    volume = np.zeros((4, 4, 4), dtype=np.float32)
    volume[3, 3, 2] = 1  # most right, most anterior
    assert slice_of(volume, AXIAL, 2, whole(volume))[0, 0] == 1


def test_patient_right_is_left_and_superior_is_up_in_coronal_slices():
    volume = np.zeros((4, 4, 4), dtype=np.float32)
    volume[3, 1, 3] = 1  # most right, most superior
    assert slice_of(volume, CORONAL, 1, whole(volume))[0, 0] == 1


def test_anterior_is_left_and_superior_is_up_in_sagittal_slices():
    volume = np.zeros((4, 4, 4), dtype=np.float32)
    volume[0, 3, 3] = 1  # most anterior, most superior
    assert slice_of(volume, SAGITTAL, 0, whole(volume))[0, 0] == 1


def test_letters_follow_radiological_convention():
    assert [view.letters for view in VIEWS] == [
        ("R", "L", "A", "P"),
        ("R", "L", "S", "I"),
        ("A", "P", "S", "I"),
    ]


def test_slice_goes_through_the_largest_area():
    mask = np.zeros((5, 5, 5), dtype=np.uint8)
    mask[1, 1, 1] = 1
    mask[1:4, 1:4, 3] = 1
    assert best_slice(mask, 2, [1]) == 3


def test_slice_with_more_structures_comes_before_a_larger_one():
    mask = np.zeros((5, 5, 5), dtype=np.uint8)
    mask[:, :, 1] = 1
    mask[0, :2, 4] = (1, 2)
    assert best_slice(mask, 2, [1, 2]) == 4
    assert best_slice(mask, 2, []) == 1


def test_empty_mask_gives_the_middle_slice():
    assert best_slice(np.zeros((5, 5, 9), dtype=np.uint8), 2, [1]) == 4


def test_outline_lies_on_voxel_edges():
    inside = np.zeros((3, 3), dtype=bool)
    inside[1, 2] = True  # row 1, column 2, at the border of the picture
    segments = outline_segments(inside)
    assert len(segments) == 4
    assert segments.reshape(-1, 2).min(axis=0).tolist() == [1.5, 0.5]
    assert segments.reshape(-1, 2).max(axis=0).tolist() == [2.5, 1.5]


def test_window_ignores_outliers_and_what_is_not_finite():
    volume = np.linspace(0, 100, 10_001, dtype=np.float32).reshape(1, 1, -1)
    volume[0, 0, :3] = (np.nan, np.inf, -np.inf)
    low, high = grey_window(volume)
    assert (low, high) == pytest.approx((1, 99), abs=0.1)


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_constant_or_undefined_volume_is_drawn(value):
    volume = np.full((4, 5, 6), value, dtype=np.float32)
    low, high = grey_window(volume)
    assert high > low
    assert png_size(draw_overlay(volume, None, MM, {}))


def test_dark_border_is_cut_but_never_a_mask():
    volume = np.zeros((50, 50, 50), dtype=np.float32)
    volume[20:30, 20:30, 20:30] = 1
    mask = np.zeros(volume.shape, dtype=np.uint8)
    mask[0, 25, 25] = 1
    i, j, k = content_box(volume, mask, (0.0, 1.0))
    assert i.start == 0
    assert (j.start, j.stop, k.start, k.stop) == (18, 32, 18, 32)


def test_mask_changes_the_picture_and_the_same_input_gives_the_same_bytes():
    volume = a_ball((40, 40, 40), MM)
    mask = np.zeros(volume.shape, dtype=np.uint8)
    mask[15:20, 15:20, 15:20] = 1
    drawn = draw_overlay(volume, mask, MM, LESION, "A note.")
    assert drawn == draw_overlay(volume, mask, MM, LESION, "A note.")
    assert drawn != draw_overlay(volume, np.zeros_like(mask), MM, LESION, "A note.")


def test_each_structure_has_its_own_colour():
    volume = np.zeros((20, 20, 20), dtype=np.float32)
    mask = np.zeros(volume.shape, dtype=np.uint8)
    mask[2:8, 5:15, 5:15], mask[12:18, 5:15, 5:15] = 1, 2
    png = draw_overlay(volume, mask, MM, {"anterior": 1, "posterior": 2, "other": 3})
    pixels = (imread(io.BytesIO(png))[:, :, :3] * 255).round().astype(int)
    colours = {tuple(pixel) for pixel in pixels.reshape(-1, 3).tolist()}
    assert {(230, 159, 0), (86, 180, 233)} <= colours


def test_a_plane_image_gives_one_slice():
    flat = draw_overlay(np.eye(30, dtype=np.float32)[:, :, None], None, MM, {})
    deep = draw_overlay(np.ones((30, 30, 30), dtype=np.float32), None, MM, {})
    assert png_size(flat)[0] < png_size(deep)[0]


def test_very_long_field_of_view_stays_a_sensible_picture():
    volume = np.ones((4, 4, 400), dtype=np.float32)
    width, height = png_size(draw_overlay(volume, None, SpacingMm(1, 1, 5), LESION))
    assert width < 1100
    assert height < 700


def test_mask_of_another_shape_is_an_error():
    volume = np.zeros((4, 4, 4), dtype=np.float32)
    with pytest.raises(ValueError, match=r"shape \(4, 4, 4\), its mask \(4, 4, 3\)"):
        draw_overlay(volume, np.zeros((4, 4, 3), dtype=np.uint8), MM, LESION)


def test_array_that_is_not_3d_is_an_error():
    with pytest.raises(ValueError, match=r"3 axes, got shape \(4, 4\)"):
        draw_overlay(np.zeros((4, 4), dtype=np.float32), None, MM, LESION)
