from dataclasses import replace

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from tests.makers import CORONAL, SAGITTAL
from tests.mask_makers import a_seg
from tests.unit.scan_io.masks.makers import OBLIQUE, a_scan, said, some_voxels
from voxray.core.errors import GeometryError, UnreadableScanError
from voxray.core.findings import FindingCode
from voxray.scan_io import read_mask

TWO = {"lesion": 7, "organ": 3}


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize("orientation", [None, CORONAL, SAGITTAL, OBLIQUE])
def test_voxels_come_back_as_they_were_stored(tmp_path, kind, orientation):
    changes = {} if orientation is None else {"orientation": orientation}
    scan = a_scan(tmp_path, spacing_mm=(0.7, 0.9, 2.5), **changes)
    voxels = some_voxels(2)
    mask = a_seg(scan.slices, voxels, ("lesion", "organ"), kind)

    drawing = scan.drawing(mask, TWO)

    expected = np.array([0, 7, 3])[voxels].transpose(2, 1, 0)
    np.testing.assert_array_equal(drawing.volume.voxels, expected)
    assert drawing.volume.grid.matches(scan.grid, 0)


@pytest.mark.parametrize("syntax", [RLELossless, DeflatedExplicitVRLittleEndian])
def test_packed_pixels_come_back_too(tmp_path, syntax):
    scan = a_scan(tmp_path)
    kind = "FRACTIONAL" if syntax == RLELossless else "BINARY"
    plain = a_seg(scan.slices, some_voxels(), kind=kind)
    mask = a_seg(scan.slices, some_voxels(), kind=kind)
    if syntax == RLELossless:
        mask.compress(syntax, generate_instance_uid=False)
    else:
        mask.file_meta.TransferSyntaxUID = syntax

    packed = scan.drawing(mask).volume.voxels

    np.testing.assert_array_equal(packed, scan.drawing(plain).volume.voxels)
    assert packed.any()


def test_bits_of_frames_that_end_within_a_byte_are_told_apart(tmp_path):
    scan = a_scan(tmp_path, rows=3, columns=3)
    voxels = np.random.default_rng(1).integers(0, 2, (5, 3, 3)).astype(np.uint8)

    drawing = scan.drawing(a_seg(scan.slices, voxels))

    np.testing.assert_array_equal(drawing.volume.voxels, voxels.transpose(2, 1, 0))


def test_frames_go_to_their_slices_whatever_their_order(tmp_path):
    scan = a_scan(tmp_path)
    voxels = some_voxels()
    mask = a_seg(scan.slices[::-1], voxels[::-1])

    found = scan.drawing(mask).volume.voxels

    np.testing.assert_array_equal(found, voxels.transpose(2, 1, 0))


def test_frames_may_run_along_other_axes_of_the_grid(tmp_path):
    scan = a_scan(tmp_path, spacing_mm=(2.0, 2.0, 2.0))
    sagittal = a_scan(
        tmp_path / "other",
        n_slices=6,
        rows=5,
        columns=8,
        spacing_mm=(2.0, 2.0, 2.0),
        orientation=SAGITTAL,
        origin_lps_mm=(10.0, 0.0, 8.0),
    )
    voxels = np.random.default_rng(2).integers(0, 2, (6, 5, 8)).astype(np.uint8)

    found = scan.drawing(a_seg(sagittal.slices, voxels)).volume.voxels

    np.testing.assert_array_equal(found, voxels.transpose(0, 2, 1)[::-1, :, ::-1])


def test_fractions_count_from_a_half_on(tmp_path):
    scan = a_scan(tmp_path)
    voxels = np.zeros((5, 8, 6, 1), np.float32)
    voxels[2, 0, :4, 0] = 0.25, 0.49, 0.5, 1.0
    mask = a_seg(scan.slices, voxels, kind="FRACTIONAL", max_fractional_value=100)

    drawing = scan.drawing(mask)

    assert drawing.volume.voxels[:4, 0, 2].tolist() == [0, 0, 1, 1]
    assert "from a half on" in said(drawing)["mask-fractional"]


@pytest.mark.parametrize(
    ("labels", "values", "expected"),
    [
        (("LESION", "Organ"), {"organ": 1, "lesion": 2}, [2, 1]),
        (("a", "b"), {"organ": 1, "lesion": 2}, [1, 2]),
        (("a", "b"), {}, [1, 2]),
    ],
    ids=["by label", "by number", "all"],
)
def test_segment_is_a_class_by_label_else_by_number(tmp_path, labels, values, expected):
    scan = a_scan(tmp_path)
    voxels = np.zeros((5, 8, 6), np.uint8)
    voxels[2, 0, :2] = 1, 2

    found = scan.drawing(a_seg(scan.slices, voxels, labels), values).volume.voxels

    assert found[:2, 0, 2].tolist() == expected


def test_segment_that_no_class_has_is_named_by_number(tmp_path):
    scan = a_scan(tmp_path)
    mask = a_seg(scan.slices, some_voxels(2), ("lesion", "Mrs Miller"))

    drawing = scan.drawing(mask)

    assert said(drawing) == {"mask-unknown-value": "segments that no class has (1): 2"}
    assert set(np.unique(drawing.volume.voxels)) == {0, 1}


def test_segment_without_a_pixel_is_not_unknown(tmp_path):
    scan = a_scan(tmp_path)

    mask = a_seg(scan.slices, some_voxels(1), ("lesion", "other"))

    assert said(scan.drawing(mask)) == {}


@pytest.mark.parametrize("values", [{"a": 1, "b": 2}, {"b": 2, "a": 1}])
def test_of_two_segments_at_one_voxel_the_later_class_counts(tmp_path, values):
    scan = a_scan(tmp_path)
    voxels = np.zeros((5, 8, 6, 2), np.uint8)
    voxels[2, 0, 0] = voxels[2, 0, 1] = 1, 1
    voxels[2, 0, 2] = 1, 0

    drawing = scan.drawing(a_seg(scan.slices, voxels, ("a", "b")), values)

    assert said(drawing) == {"mask-overlap": "2 of 3 voxels belong to two classes"}
    later = list(values.values())[-1]
    assert drawing.volume.voxels[:3, 0, 2].tolist() == [later, later, 1]


def test_frame_beyond_the_scan_is_counted(tmp_path):
    scan = a_scan(tmp_path)
    part = replace(scan, grid=a_scan(tmp_path / "part", n_slices=3).grid)
    voxels = np.zeros((5, 8, 6), np.uint8)
    voxels[2:4, 0, :2] = 1

    drawing = part.drawing(a_seg(scan.slices, voxels))

    assert said(drawing) == {"mask-outside-scan": "2 voxels outside, 2 inside"}


def test_empty_segmentation_is_empty(tmp_path):
    scan = a_scan(tmp_path)
    mask = a_seg(scan.slices, some_voxels() * 0, omit_empty_frames=False)

    assert said(scan.drawing(mask)) == {"mask-empty": "no voxel of any class"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"origin_lps_mm": (0.0, 0.0, 0.7)}, "3 of 3 frames lie off .* 0.7 mm"),
        ({"origin_lps_mm": (0.3, 0.0, 0.0)}, "3 of 3 frames lie off .* 0.3 mm"),
        ({"spacing_mm": (1.0, 1.0, 2.5)}, "3 of 3 frames lie off .* 1 mm"),
        ({"spacing_mm": (1.5, 1.5, 2.0)}, "another size, direction or place"),
        ({"orientation": OBLIQUE}, "off the voxels|another size, direction"),
    ],
    ids=["between slices", "in plane", "spacing", "pixels", "turned"],
)
def test_frames_off_the_voxels_are_refused_with_numbers(tmp_path, changes, message):
    scan = a_scan(tmp_path)
    other = a_scan(tmp_path / "other", **changes)

    with pytest.raises(GeometryError, match=message):
        scan.drawing(a_seg(other.slices, some_voxels()))


@pytest.mark.parametrize("z_mm", [1e12, 1e300])
def test_frame_at_an_impossible_place_is_refused(tmp_path, z_mm):
    scan = a_scan(tmp_path)
    mask = a_seg(scan.slices, some_voxels())
    (place,) = mask.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence
    place.ImagePositionPatient = [0, 0, z_mm]

    with pytest.raises(GeometryError, match="1 of 3 frames have pixels of another"):
        scan.drawing(mask)


def test_rounded_positions_still_fit(tmp_path):
    scan = a_scan(tmp_path)
    other = a_scan(tmp_path / "other", origin_lps_mm=(0.02, -0.02, 0.05))

    assert said(scan.drawing(a_seg(other.slices, some_voxels()))) == {}


def without(keyword):
    return lambda mask: delattr(mask, keyword)


def no_plane(mask):
    for item in mask.PerFrameFunctionalGroupsSequence:
        del item.PlanePositionSequence


def no_segment(mask):
    del mask.SharedFunctionalGroupsSequence[0].SegmentIdentificationSequence


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda m: setattr(m, "SegmentationType", "SURFACE"), "neither BINARY"),
        (lambda m: setattr(m, "TotalPixelMatrixRows", 4), "tiled"),
        (lambda m: setattr(m, "Rows", 0), "beyond reason"),
        (lambda m: setattr(m, "Columns", 65535), "beyond reason|cannot be read"),
        (lambda m: setattr(m, "NumberOfFrames", 2**31 - 1), "beyond reason|described"),
        (lambda m: m.PerFrameFunctionalGroupsSequence.pop(), "3 frames, of which 2"),
        (lambda m: setattr(m, "PixelData", b"\1"), "cannot be read: ValueError"),
        (without("PixelData"), "cannot be read: AttributeError"),
        (no_segment, "cannot be read: ValueError"),
        (no_plane, "lacks a position"),
    ],
)
def test_broken_segmentation_is_refused(tmp_path, spoil, message):
    scan = a_scan(tmp_path)
    mask = a_seg(scan.slices, some_voxels())
    spoil(mask)

    with pytest.raises((UnreadableScanError, GeometryError), match=message):
        scan.drawing(mask)


def test_fraction_without_a_whole_is_refused(tmp_path):
    scan = a_scan(tmp_path)
    mask = a_seg(scan.slices, some_voxels(), kind="FRACTIONAL")
    del mask.MaximumFractionalValue

    with pytest.raises(UnreadableScanError, match="cannot be read: ValueError"):
        scan.drawing(mask)


def test_door_gives_only_what_intake_accepted(tmp_path):
    scan = a_scan(tmp_path)
    source = scan.source(a_seg(scan.slices, some_voxels(2), ("lesion", "other")))
    accepting = replace(source, accepted=(FindingCode.MASK_UNKNOWN_VALUE,))

    assert read_mask(accepting).voxels.any()
    with pytest.raises(UnreadableScanError, match="mask-unknown-value: segments"):
        read_mask(source)
