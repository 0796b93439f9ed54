import numpy as np
import pytest

from tests.makers import CORONAL, SAGITTAL
from tests.mask_makers import a_structure_set, placed, square
from tests.unit.scan_io.masks.makers import OBLIQUE, a_scan, said
from voxray.core.errors import GeometryError, UnreadableScanError

INSIDE = {(i, j) for i in (1, 2, 3) for j in (2, 3, 4, 5)}
CORNERS = ((0.5, 1.5), (3.5, 5.5))


def drawn(drawing, k=2, value=1):
    at = np.argwhere(drawing.volume.voxels[:, :, k] == value)
    return {tuple(int(n) for n in place) for place in at}


def a_set(scan, *contours, kind="CLOSED_PLANAR"):
    return a_structure_set(scan.slices[0], {"Lesion": contours}, kind)


@pytest.mark.parametrize("orientation", [None, CORONAL, SAGITTAL, OBLIQUE])
def test_voxels_whose_centres_are_inside_belong(tmp_path, orientation):
    changes = {} if orientation is None else {"orientation": orientation}
    scan = a_scan(tmp_path, spacing_mm=(0.7, 0.9, 2.5), **changes)
    contour = square(*CORNERS, 2, scan.grid.affine)

    drawing = scan.drawing(a_set(scan, contour))

    assert drawn(drawing) == INSIDE
    assert drawing.volume.voxels.sum() == len(INSIDE)
    assert said(drawing) == {}


def test_mask_comes_back_from_the_outlines_of_its_voxels(tmp_path):
    scan = a_scan(tmp_path, orientation=OBLIQUE)
    voxels = np.random.default_rng(3).integers(0, 2, scan.grid.shape)
    outlines = [
        square((i - 0.5, j - 0.5), (i + 0.5, j + 0.5), k, scan.grid.affine)
        for i, j, k in np.argwhere(voxels)
    ]

    found = scan.drawing(a_set(scan, *outlines)).volume.voxels

    np.testing.assert_array_equal(found, voxels)


def test_contour_within_another_is_a_hole(tmp_path):
    scan = a_scan(tmp_path)
    affine = scan.grid.affine
    hole = square((1.5, 2.5), (2.5, 4.5), 2, affine)

    drawing = scan.drawing(a_set(scan, square(*CORNERS, 2, affine), hole))

    assert drawn(drawing) == INSIDE - {(2, 3), (2, 4)}
    assert said(drawing) == {}


def test_contour_that_is_there_twice_counts_once(tmp_path):
    scan = a_scan(tmp_path)
    contour = square(*CORNERS, 2, scan.grid.affine)
    again = [*contour[1:], contour[0]]

    assert drawn(scan.drawing(a_set(scan, contour, again))) == INSIDE


def test_contours_that_cross_are_a_finding(tmp_path):
    scan = a_scan(tmp_path)
    affine = scan.grid.affine
    other = square((2.5, 1.5), (4.5, 5.5), 2, affine)

    drawing = scan.drawing(a_set(scan, square(*CORNERS, 2, affine), other))

    assert said(drawing)["mask-overlap"].startswith("1 contours cross")


def test_contours_that_touch_do_not_cross(tmp_path):
    scan = a_scan(tmp_path)
    affine = scan.grid.affine
    other = square((3.5, 1.5), (4.5, 5.5), 2, affine)

    assert said(scan.drawing(a_set(scan, square(*CORNERS, 2, affine), other))) == {}


def test_structures_that_no_class_names_are_counted(tmp_path):
    scan = a_scan(tmp_path)
    contour = square(*CORNERS, 2, scan.grid.affine)
    mask = a_structure_set(
        scan.slices[0], {" LESION": [contour], "Mrs Miller": [contour], "Heart": []}
    )

    drawing = scan.drawing(mask, {"lesion": 5, "organ": 2})

    assert drawn(drawing, value=5) == INSIDE
    assert said(drawing) == {
        "mask-other-structures": "1 of 2 structures have the name of no class; "
        "1 of 2 classes have no structure"
    }


def test_structure_set_without_any_class_is_no_mask(tmp_path):
    scan = a_scan(tmp_path)
    mask = a_structure_set(
        scan.slices[0], {"Heart": [square(*CORNERS, 2, scan.grid.affine)]}
    )

    found = said(scan.drawing(mask))

    assert "none of 1 structures" in found["mask-unknown-value"]


def test_without_classes_every_structure_counts_by_number(tmp_path):
    scan = a_scan(tmp_path)
    affine = scan.grid.affine
    mask = a_structure_set(
        scan.slices[0],
        {"a": [square(*CORNERS, 2, affine)], "b": [square(*CORNERS, 3, affine)]},
    )

    drawing = scan.drawing(mask, {})

    assert drawn(drawing, k=2, value=1) == drawn(drawing, k=3, value=2) == INSIDE


def test_classes_that_share_voxels_are_a_finding(tmp_path):
    scan = a_scan(tmp_path)
    contour = square(*CORNERS, 2, scan.grid.affine)
    mask = a_structure_set(scan.slices[0], {"a": [contour], "b": [contour]})

    drawing = scan.drawing(mask, {"a": 1, "b": 2})

    assert said(drawing) == {"mask-overlap": "12 of 12 voxels belong to two classes"}
    assert drawn(drawing, value=2) == INSIDE


@pytest.mark.parametrize("kind", ["POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"])
def test_what_is_not_closed_encloses_nothing(tmp_path, kind):
    scan = a_scan(tmp_path)
    mask = a_set(scan, square(*CORNERS, 2, scan.grid.affine), kind=kind)

    assert said(scan.drawing(mask)) == {"mask-empty": "no voxel of any class"}


@pytest.mark.parametrize(
    ("k", "message"),
    [
        (2.5, "1 of 2 contours lie between slices, up to 1 mm from the nearest"),
        (1.8, "1 of 2 contours lie between slices, up to 0.4 mm"),
    ],
)
def test_contour_between_slices_is_refused_with_numbers(tmp_path, k, message):
    scan = a_scan(tmp_path)
    affine = scan.grid.affine
    mask = a_set(scan, square(*CORNERS, 1, affine), square(*CORNERS, k, affine))

    with pytest.raises(GeometryError, match=message):
        scan.drawing(mask)


def test_contour_across_slices_is_refused_with_numbers(tmp_path):
    scan = a_scan(tmp_path)
    flat = square(*CORNERS, 2, scan.grid.affine)
    steep = [(x, y, z + 3 * (n % 2)) for n, (x, y, z) in enumerate(flat)]

    with pytest.raises(GeometryError, match=r"not parallel .* up to 3 mm apart"):
        scan.drawing(a_set(scan, steep))


def test_contour_near_its_slice_is_on_it(tmp_path):
    scan = a_scan(tmp_path)
    mask = a_set(scan, square(*CORNERS, 2.09, scan.grid.affine))

    assert drawn(scan.drawing(mask)) == INSIDE


@pytest.mark.parametrize(
    ("high", "k", "far"), [((9.0, 5.5), 2, "4 mm"), ((3.5, 5.5), 7, "6 mm")]
)
def test_contour_beyond_the_scan_is_a_finding(tmp_path, high, k, far):
    scan = a_scan(tmp_path)
    mask = a_set(scan, square((0.5, 1.5), high, k, scan.grid.affine))

    found = said(scan.drawing(mask))["mask-outside-scan"]

    assert found.startswith("1 of 1 contours reach beyond")
    assert found.endswith(f"by up to {far}")


def test_contour_along_the_border_is_within_the_scan(tmp_path):
    scan = a_scan(tmp_path)
    mask = a_set(scan, square((-0.6, -0.5), (5.5, 7.6), 2, scan.grid.affine))

    drawing = scan.drawing(mask)

    assert said(drawing) == {}
    assert len(drawn(drawing)) == 48


def test_structures_of_two_frames_of_reference_are_refused(tmp_path):
    scan = a_scan(tmp_path)
    contour = square(*CORNERS, 2, scan.grid.affine)
    mask = a_structure_set(scan.slices[0], {"a": [contour], "b": [contour]})
    mask.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.3"

    with pytest.raises(GeometryError, match="2 frames of reference"):
        scan.drawing(mask, {"a": 1, "b": 2})


@pytest.mark.parametrize("data", [["1", "2"], ["1", "2", "x"], ["1e300", "0", "0"]])
def test_contour_without_points_is_unreadable(tmp_path, data):
    scan = a_scan(tmp_path)
    mask = a_set(scan, square(*CORNERS, 2, scan.grid.affine))
    element = mask.ROIContourSequence[0].ContourSequence[0]["ContourData"]
    element._value = data

    with pytest.raises(UnreadableScanError, match="cannot be read: ValueError"):
        scan.drawing(mask)


@pytest.mark.parametrize("number", ["-1", "70000"])
def test_structure_without_a_number_for_voxels_is_unreadable(tmp_path, number):
    scan = a_scan(tmp_path)
    mask = a_set(scan, square(*CORNERS, 2, scan.grid.affine))
    mask.StructureSetROISequence[0].ROINumber = number

    with pytest.raises(UnreadableScanError, match="cannot be read: ValueError"):
        scan.drawing(mask)


def test_line_encloses_nothing(tmp_path):
    scan = a_scan(tmp_path)
    mask = a_set(scan, placed([(1.0, 1.0), (4.0, 4.0)], 2, scan.grid.affine))

    assert said(scan.drawing(mask)) == {"mask-empty": "no voxel of any class"}
