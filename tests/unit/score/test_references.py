import numpy as np
import pytest

from tests.unit.preprocess.makers import a_grid
from voxray.core.geometry import VoxelGrid
from voxray.core.records import ScanId
from voxray.core.specs import ReferenceStatistics, ReferenceValues
from voxray.ingest import Look
from voxray.preprocess import ScanStatistics, learn_references
from voxray.score import range_problem, value_problem

KNOWN = ReferenceStatistics(
    modalities=("MR",),
    spacing_mm=((1.0, 1.2), (1.0, 1.0), (1.0, 3.0)),
    extent_mm=((16.0, 20.0), (20.0, 20.0), (12.0, 12.0)),
    n_scans=4,
)


@pytest.mark.parametrize("modality", ["MR", ""])
def test_a_scan_like_those_of_training_passes(modality):
    assert range_problem(modality, a_grid(), KNOWN) is None


def test_another_modality_is_named():
    problem = range_problem("CT", a_grid(), KNOWN)
    assert problem == "modality is CT, the model was made from MR"


def test_a_model_made_from_nifti_takes_any_modality():
    unknown = KNOWN.model_copy(update={"modalities": ()})
    assert range_problem("CT", a_grid(), unknown) is None


@pytest.mark.parametrize(
    ("shape", "spacing", "said"),
    [
        ((8, 20, 12), (2.0, 1.0, 1.0), "left-right spacing is 2.0 mm"),
        ((16, 40, 12), (1.0, 0.5, 1.0), "front-back spacing is 0.5 mm"),
        ((16, 20, 17), (1.0, 1.0, 1.0), "foot-head field of view is 17.0 mm"),
        ((11, 20, 12), (1.0, 1.0, 1.0), "left-right field of view is 11.0 mm"),
    ],
)
def test_what_lies_outside_is_said_in_numbers(shape, spacing, said):
    problem = range_problem("MR", a_grid(shape, spacing), KNOWN)
    assert problem is not None
    assert problem.startswith(said)
    assert "training scans had" in problem


def test_a_little_outside_passes():
    assert range_problem("MR", a_grid((16, 26, 12)), KNOWN) is None


def test_axes_are_compared_where_they_point_and_not_as_they_are_stored():
    affine = np.zeros((4, 4))
    affine[2, 0], affine[0, 1], affine[1, 2], affine[3, 3] = 1, -1, 1, 1
    grid = VoxelGrid.from_affine("s", (12, 16, 20), affine)
    assert range_problem("MR", grid, KNOWN) is None


CT = KNOWN.model_copy(
    update={
        "values": ReferenceValues(
            darkest=(-1000, -700),
            median=(-900, 0),
            brightest=(100, 500),
            span=1200,
        )
    }
)


def a_look(p0_5: float, p50: float, p99_5: float) -> Look:
    return Look(
        low=p0_5,
        high=p99_5,
        p0_5=p0_5,
        p50=p50,
        p99_5=p99_5,
        mean=p50,
        fraction_zero=0.0,
        two_valued=False,
        extent_mm=(16.0, 20.0, 12.0),
        tiny="",
    )


@pytest.mark.parametrize(
    "values", [(-1000, -800, 300), (-3024, -800, 300), (-1000, 40, 3000)]
)
def test_values_like_those_of_training_pass_and_so_do_padding_and_metal(values):
    assert value_problem(a_look(*values), CT) is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((24, 224, 1324), "darkest values are about 24, training scans had -1000 to"),
        ((-600, 700, 900), "middle values are about 700, training scans had -900 to 0"),
        ((-600, -599, -598), "brightest values are about -598, training scans had 100"),
    ],
)
def test_values_in_other_units_are_named(values, said):
    problem = value_problem(a_look(*values), CT)
    assert problem is not None
    assert problem.startswith(said)


def test_a_channel_that_scales_itself_takes_any_values():
    assert value_problem(a_look(0, 0.5, 1), KNOWN) is None


def of_pictures(*shapes):
    rows = [
        ScanStatistics(ScanId("s"), (*shape, 1), (1, 1, 1), "", 0, 1, 0, 1)
        for shape in shapes
    ]
    return learn_references(rows, in_units=False, longer_side_mm=256)


def problem_of(shape, known, spacing=(1.0, 1.0, 1.0)):
    return range_problem("", a_grid((*shape, 1), spacing), known, 256)


def test_picture_may_have_more_pixels_and_not_far_fewer():
    known = of_pictures((1000, 800), (1200, 960))
    assert problem_of((3000, 2400), known) is None
    assert problem_of((700, 560), known) is None
    problem = problem_of((300, 240), known)
    assert problem is not None
    assert problem.startswith("left-right spacing is 0.9 mm")
    assert "the longer side of a picture counts as 256 mm" in problem


def test_stated_pixel_size_does_not_count_where_that_of_training_did_not():
    known = of_pictures((1000, 800))
    assert problem_of((2000, 1600), known, (0.14, 0.14, 1)) is None


def test_model_of_stated_pixel_sizes_refuses_pictures_without():
    known = KNOWN.model_copy(
        update={
            "modalities": (),
            "spacing_mm": ((0.14, 0.15), (0.14, 0.15), (1.0, 1.0)),
            "extent_mm": ((200.0, 240.0), (260.0, 300.0), (1.0, 1.0)),
        }
    )
    assert range_problem("", a_grid((1600, 2000, 1), (0.14, 0.14, 1)), known) is None
    assert range_problem("", a_grid((1600, 2000, 1)), known) is not None


def test_picture_of_another_form_is_another_field_of_view():
    problem = problem_of((1000, 500), of_pictures((1000, 800)))
    assert problem is not None
    assert "front-back field of view" in problem
