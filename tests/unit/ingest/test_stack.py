import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ingest.makers import a_header, a_stack, with_one
from voxray.ingest.stack import Stack, check_stack
from voxray.scan_io import DicomHeader


def same(_one: int, _other: int) -> bool:
    return True


def different(_one: int, _other: int) -> bool:
    return False


def checked(headers: Sequence[DicomHeader], same_pixels: Any = same) -> Stack:
    return check_stack(headers, same_pixels)


def found(headers: Sequence[DicomHeader], same_pixels: Any = same) -> dict[str, str]:
    stack = checked(headers, same_pixels)
    return {finding.code.value: finding.detail for finding in stack.findings}


def test_regular_stack_whose_count_is_stated_has_no_finding() -> None:
    stack = checked(a_stack(0, 2, 4, images_in_acquisition=3))

    assert stack == Stack((0, 1, 2), (), ())


@given(st.permutations(range(6)))
def test_slices_are_ordered_along_the_normal_whatever_their_file_order(
    order: list[int],
) -> None:
    headers = [a_header(2.5 * level, images_in_acquisition=6) for level in order]

    stack = checked(headers)

    assert [order[index] for index in stack.order] == list(range(6))


def test_instance_numbers_do_not_decide_the_order() -> None:
    headers = [a_header(z, instance_number=9 - int(z)) for z in (0.0, 1.0, 2.0)]

    assert checked(headers).order == (0, 1, 2)


def test_normal_of_a_flipped_plane_points_down() -> None:
    headers = a_stack(0, 2, 4, orientation_lps=(1.0, 0.0, 0.0, 0.0, -1.0, 0.0))

    assert checked(headers).order == (2, 1, 0)


def test_gap_of_a_whole_step_is_a_missing_slice_with_its_place() -> None:
    detail = found(a_stack(0, 3, 6, 12, 15))["missing-slice"]

    assert detail == (
        "slice spacing jumps from 3 mm to 6 mm after slice 3; 1 slice is missing"
    )


def test_one_of_four_slices_missing_is_found() -> None:
    assert "missing-slice" in found(a_stack(0, 5, 15))


def test_missing_slices_at_several_places_are_counted() -> None:
    detail = found(a_stack(0, 1, 2, 4, 5, 6, 9, 10, 11))["missing-slice"]

    assert "2 mm after slice 3, 3 mm after slice 6; 3 slices" in detail


def test_missing_end_is_found_when_the_header_states_the_count() -> None:
    headers = a_stack(0, 2, 4, images_in_acquisition=4, acquisition_number=1)

    assert found(headers) == {
        "missing-slice": "3 slices, but the header states 4 in the acquisition"
    }


def test_count_over_several_acquisitions_does_not_refuse() -> None:
    headers = [
        a_header(float(z), images_in_acquisition=9, acquisition_number=z)
        for z in range(3)
    ]

    assert list(found(headers)) == ["extent-unverified"]


def test_count_that_is_not_stated_leaves_the_extent_unverified() -> None:
    assert list(found(a_stack(0, 2, 4))) == ["extent-unverified"]


def test_stated_number_of_slices_verifies_the_extent() -> None:
    assert found(a_stack(0, 2, 4, number_of_slices=3)) == {}


def test_odd_step_is_uneven_spacing() -> None:
    detail = found(a_stack(0, 3, 6, 10, 13))["uneven-spacing"]

    assert "4 mm after slice 3, elsewhere 3 mm; 1 of 4 steps differ" in detail


@pytest.mark.parametrize(("step_mm", "regular"), [(3.049, True), (3.06, False)])
def test_steps_may_differ_by_a_twentieth_of_a_millimetre(
    step_mm: float, regular: bool
) -> None:
    headers = a_stack(0, 3, 6, 6 + step_mm)

    assert ("uneven-spacing" not in found(headers)) == regular


def test_thick_steps_may_differ_by_one_percent() -> None:
    assert "uneven-spacing" not in found(a_stack(0, 10, 20, 30.09))


def test_copy_of_a_slice_is_dropped_and_counted() -> None:
    stack = checked(a_stack(0, 2, 2, 4, images_in_acquisition=3))

    assert (stack.order, stack.dropped) == ((0, 1, 3), (2,))
    (finding,) = stack.findings
    assert "1 of 4 slices repeat another one, at position 2 of 3" in finding.detail


def test_copies_do_not_make_up_for_missing_slices() -> None:
    headers = a_stack(0, 2, 2, 4, images_in_acquisition=4)

    assert found(headers)["missing-slice"] == (
        "3 slices, but the header states 4 in the acquisition"
    )


def test_many_copies_name_three_positions() -> None:
    detail = found(a_stack(*[float(z) for z in range(5) for _ in "ab"]))

    assert "at position 1, 2, 3 and 2 more of 5" in detail["duplicate-slice"]


def test_different_slices_at_one_position_conflict() -> None:
    detail = found(a_stack(0, 2, 2, 4), different)["conflicting-slices"]

    assert detail == (
        "position 2 of 3 holds 2 slices with different pixels; "
        "1 positions hold more than one slice"
    )


def test_time_series_says_how_many_volumes_it_holds() -> None:
    levels = [float(z) for z in range(4) for _ in range(3)]
    random.Random(1).shuffle(levels)

    detail = found(a_stack(*levels), different)["conflicting-slices"]

    assert detail.startswith("3 volumes in one series: 3 slices")


def test_slices_at_one_level_shifted_in_plane_conflict() -> None:
    headers = with_one(a_stack(0, 2, 2, 4), 2, position_lps_mm=(5.0, 0.0, 2.0))

    assert "shifted by 5 mm" in found(headers)["conflicting-slices"]


def test_stack_that_leans_is_a_gantry_tilt_with_its_angle() -> None:
    headers = [a_header(position_lps_mm=(0.0, float(z), 1.0 * z)) for z in range(4)]

    assert "leans by 45.0 degrees" in found(headers)["gantry-tilt"]


def test_lean_that_no_gantry_has_is_impossible_geometry() -> None:
    headers = [a_header(position_lps_mm=(0.0, 3.0 * z, 1.0 * z)) for z in range(4)]

    detail = found(headers)["missing-geometry"]

    assert detail.endswith(
        "leans by 71.6 degrees against the slice normal; no gantry does"
    )


def test_missing_slice_among_very_thin_ones_is_found() -> None:
    assert "missing-slice" in found(a_stack(0, 0.04, 0.08, 0.16, 0.2))


def test_one_slice_moved_in_plane_is_no_tilt() -> None:
    headers = with_one(a_stack(0, 2, 4, 6), 2, position_lps_mm=(3.0, 0.0, 4.0))

    assert "slice 3 lies 3.00 mm off" in found(headers)["shifted-slice"]


def test_gap_in_a_leaning_stack_is_found_too() -> None:
    headers = [a_header(position_lps_mm=(0.0, float(z), 1.0 * z)) for z in (0, 1, 3)]

    assert {"missing-slice", "gantry-tilt"} <= found(headers).keys()


def test_frames_of_one_file_are_all_there() -> None:
    headers = [a_header(2.0 * k, frame=k, sop_instance_uid="1.9") for k in range(3)]

    assert found(headers) == {}


def test_instance_numbers_tell_what_is_not_here() -> None:
    headers = [a_header(2.0 * k, instance_number=2 * k + 3) for k in range(3)]

    detail = found(headers)["extent-unverified"]

    assert detail.endswith("instance numbers run from 3 to 7, 2 of them not here")


def test_one_slice_alone_has_no_spacing() -> None:
    assert list(found(a_stack(0, images_in_acquisition=1))) == ["single-slice"]


@pytest.mark.parametrize(
    ("changes", "code", "detail"),
    [
        ({"truncated": True}, "truncated-file", "1 of 3 images end before"),
        ({"patient_id": "p2"}, "mixed-patients", "2 different patient ids"),
        ({"has_pixels": False}, "unsupported-image", "1 of 3 images: no pixels"),
        (
            {"number_of_frames": 9},
            "unsupported-image",
            "9 frames without a place: a film",
        ),
        ({"samples_per_pixel": 3}, "unsupported-image", "colour image"),
        ({"photometric": "PALETTE COLOR"}, "unsupported-image", "PALETTE COLOR"),
        ({"image_type": ("ORIGINAL", "MOSAIC")}, "unsupported-image", "mosaic"),
        ({"position_lps_mm": None}, "missing-geometry", "1 of 3 images: no position"),
        ({"orientation_lps": (1.0, 0.0)}, "missing-geometry", "2 numbers instead of 6"),
        ({"orientation_lps": (1.0,) * 6}, "missing-geometry", "not two unit vectors"),
        ({"pixel_spacing_mm": (0.0, 1.0)}, "missing-geometry", "not above 0 mm"),
        ({"rows": 9}, "mixed-size", r"8x6 (2 slices), 9x6 (1 slices)"),
        ({"pixel_spacing_mm": (1.0, 1.1)}, "mixed-size", "from 1 to 1.1 mm"),
        (
            {"orientation_lps": (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)},
            "mixed-orientation",
            "1 of 3 slices have another orientation than the first; planes differ by "
            "up to 90.0 degrees",
        ),
    ],
)
def test_one_odd_slice_refuses_the_series(
    changes: dict[str, Any], code: str, detail: str
) -> None:
    findings = found(with_one(a_stack(0, 2, 4), 1, **changes))

    assert list(findings) == [code]
    assert detail in findings[code]


def test_file_without_pixels_alone_is_described_without_count() -> None:
    headers = a_stack(0, has_pixels=False, modality="SR")

    assert found(headers) == {"unsupported-image": "no pixels, modality SR"}


def test_every_second_slice_alone_is_found_by_distance_and_numbers() -> None:
    headers = [
        a_header(4.0 * k, instance_number=2 * k + 1, spacing_between_slices_mm=2.0)
        for k in range(4)
    ]

    assert found(headers) == {
        "missing-slice": "slices are 4 mm apart, but the header states 2 mm, and "
        "instance numbers go up by 2: only one slice of 2 is here"
    }


@pytest.mark.parametrize("stated_mm", [2.0, -2.0, 3.0])
def test_distance_that_contradicts_the_positions_is_said(stated_mm: float) -> None:
    headers = a_stack(
        0, 4, 8, spacing_between_slices_mm=stated_mm, images_in_acquisition=3
    )

    assert found(headers) == {
        "extent-unverified": "slices are 4 mm apart by their positions, which count, "
        f"and {abs(stated_mm):g} mm by SpacingBetweenSlices"
    }


def test_thickness_above_the_distance_is_no_contradiction() -> None:
    headers = a_stack(0, 2, 4, slice_thickness_mm=5.0, images_in_acquisition=3)

    assert found(headers) == {}


def test_negative_spacing_tells_a_direction_only() -> None:
    headers = a_stack(0, 2, 4, spacing_between_slices_mm=-2.0, images_in_acquisition=3)

    assert found(headers) == {}


def test_each_of_several_acquisitions_may_state_its_own_count() -> None:
    headers = [
        a_header(float(z), images_in_acquisition=2, acquisition_number=z // 2)
        for z in range(6)
    ]

    assert found(headers) == {}


def test_count_of_slices_in_the_volume_refuses_fewer() -> None:
    assert found(a_stack(0, 2, 4, number_of_slices=5)) == {
        "missing-slice": "3 slices, but the header states 5 in the volume"
    }


@pytest.mark.parametrize(
    ("stated", "codes"), [(30, []), (3, []), (40, ["extent-unverified"])]
)
def test_count_may_mean_the_series_of_many_volumes(
    stated: int, codes: list[str]
) -> None:
    headers = a_stack(0, 2, 4, images_in_acquisition=stated)

    stack = check_stack(headers, same, n_in_series=30)

    assert [finding.code for finding in stack.findings] == codes


@pytest.mark.parametrize(
    ("attribute", "values", "detail"),
    [
        ("echo_time_ms", (10.0, 80.0), "echo times (ms) from 10 to 80 in one volume"),
        ("b_value", (0.0, 500.0), "b-values from 0 to 500 in one volume"),
        ("frame_of_reference_uid", ("1", "2"), "2 frames of reference in one volume"),
        (
            "slice_thickness_mm",
            (1.0, 5.0),
            "thicknesses (mm) from 1 to 5 in one volume",
        ),
        ("study_instance_uid", ("1", "2"), "2 studies in one volume"),
        ("modality", ("CT", "PT"), "2 modalities in one volume"),
    ],
)
def test_slice_of_another_kind_conflicts(
    attribute: str, values: tuple[Any, Any], detail: str
) -> None:
    headers = with_one(
        a_stack(0, 2, 4, **{attribute: values[0]}), 1, **{attribute: values[1]}
    )

    assert found(headers) == {"conflicting-slices": f"slices of {detail}"}


def interleaved(*numbers: int, **changes: Any) -> list[DicomHeader]:
    """Slices at even steps, with these instance numbers."""
    return [
        a_header(float(z), instance_number=n, **changes) for z, n in enumerate(numbers)
    ]


@pytest.mark.parametrize("numbers", [(1, 1, 2, 2, 3, 3), (1, 1, 2, 2, 3, 3, 4, 5)])
def test_two_volumes_between_each_other_are_told_by_instance_numbers(
    numbers: tuple[int, ...],
) -> None:
    assert (
        "several volumes in one series"
        in (found(interleaved(*numbers))["conflicting-slices"])
    )


def test_instance_numbers_may_start_anew_in_the_next_part() -> None:
    assert checked(interleaved(1, 2, 3, 1, 2, 3)).order == (0, 1, 2, 3, 4, 5)


def test_instance_numbers_may_start_anew_in_another_acquisition() -> None:
    headers = interleaved(1, 1, 2, 2, 3, 3)
    headers = [replace(h, acquisition_number=n % 2) for n, h in enumerate(headers)]

    assert len(checked(headers).order) == 6


def test_instance_numbers_that_are_all_one_tell_nothing() -> None:
    assert len(checked(interleaved(1, 1, 1, 1, 1, 1)).order) == 6


def test_echo_times_may_differ_by_one_percent() -> None:
    headers = with_one(a_stack(0, 2, 4, echo_time_ms=10.0), 1, echo_time_ms=10.05)

    assert "conflicting-slices" not in found(headers)


def test_every_third_slice_alone_is_found_by_the_thickness() -> None:
    headers = [
        a_header(6.0 * k, instance_number=30 - 3 * k, slice_thickness_mm=2.0)
        for k in range(4)
    ]

    assert "only one slice of 3 is here" in found(headers)["missing-slice"]


def test_gaps_between_thick_slices_are_no_missing_slices() -> None:
    headers = [
        a_header(4.0 * k, instance_number=k + 1, slice_thickness_mm=2.0)
        for k in range(4)
    ]

    assert list(found(headers)) == ["extent-unverified"]


def test_steps_of_two_lengths_far_apart_are_uneven() -> None:
    assert "uneven-spacing" in found(a_stack(0, 0.03, 2, 2.03, 4, 4.03))


def test_distance_of_a_tilted_stack_may_be_stated_along_it() -> None:
    headers = [
        a_header(
            position_lps_mm=(0.0, 3.0 * k, 4.0 * k),
            spacing_between_slices_mm=5.0,
            images_in_acquisition=4,
        )
        for k in range(4)
    ]

    assert list(found(headers)) == ["gantry-tilt"]
