"""Series that hold several volumes, from headers alone."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.ingest.makers import a_header, a_stack
from voxray.ingest.split import Part, split_series
from voxray.scan_io import DicomHeader

SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def numbered(headers: Sequence[DicomHeader]) -> list[DicomHeader]:
    return [replace(h, instance_number=n) for n, h in enumerate(headers, start=1)]


def levels_of(headers: Sequence[DicomHeader]) -> list[list[float]]:
    """Heights of the slices of each part."""
    parts = split_series(headers)
    return [
        [(headers[i].position_lps_mm or (0.0,) * 3)[2] for i in p.slices] for p in parts
    ]


def test_one_volume_stays_whole() -> None:
    parts = split_series(a_stack(0, 2, 4))

    assert parts == (Part((0, 1, 2)),)


@pytest.mark.parametrize(
    ("attribute", "values", "told_by"),
    [
        ("series_description", ("lung", "soft"), "series description 2"),
        ("echo_number", (1, 2), "echo 2"),
        ("echo_time_ms", (10.0, 80.0), "echo time 80.0"),
        ("temporal_position", (1, 2), "temporal position 2"),
        ("b_value", (0.0, 800.0), "b-value and direction 800.0"),
        ("image_type", (("ORIGINAL", "M"), ("ORIGINAL", "P")), "image type ORIGINAL P"),
        ("acquisition_number", (1, 2), "acquisition 2"),
        ("trigger_time_ms", (0.0, 40.0), "trigger time 40.0"),
    ],
)
def test_slices_at_one_place_are_told_apart(
    attribute: str, values: tuple[Any, Any], told_by: str
) -> None:
    headers = [a_header(z, **{attribute: v}) for z in (0.0, 2.0, 4.0) for v in values]

    parts = split_series(headers)

    assert [part.slices for part in parts] == [(0, 2, 4), (1, 3, 5)]
    assert parts[1].told_by == told_by


def test_directions_of_one_b_value_are_apart() -> None:
    ways = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    headers = [
        a_header(z, b_value=1000.0, diffusion_direction=way)
        for z in (0.0, 2.0)
        for way in ways
    ]

    assert levels_of(headers) == [[0.0, 2.0], [0.0, 2.0]]


def test_attribute_that_differs_from_slice_to_slice_splits_nothing() -> None:
    headers = [a_header(float(z), trigger_time_ms=30.0 * z) for z in range(5)]

    assert len(split_series(headers)) == 1


def test_acquisitions_that_follow_each_other_are_one_volume() -> None:
    headers = [a_header(float(z), acquisition_number=z // 3) for z in range(6)]

    assert len(split_series(headers)) == 1


def test_copy_with_another_acquisition_number_is_no_volume() -> None:
    headers = [*a_stack(0, 2, 4, 6, acquisition_number=1)]
    headers.append(a_header(4.0, acquisition_number=2))

    assert len(split_series(headers)) == 1


def test_time_series_is_split_by_instance_number_when_the_count_is_stated() -> None:
    levels = [0.0, 2.0, 4.0] * 2
    headers = numbered(a_stack(*levels, number_of_temporal_positions=2))
    random.Random(3).shuffle(headers)

    parts = split_series(headers)

    numbers = [[headers[i].instance_number for i in p.slices] for p in parts]
    assert [sorted(n for n in part if n) for part in numbers] == [[1, 2, 3], [4, 5, 6]]
    assert parts[1].told_by == "time 2 by instance number"


@pytest.mark.parametrize("stated", [None, 3])
def test_time_series_whose_count_is_not_confirmed_stays_in_conflict(
    stated: int | None,
) -> None:
    levels = [0.0, 2.0, 4.0] * 2
    headers = numbered(a_stack(*levels, number_of_temporal_positions=stated))

    assert len(split_series(headers)) == 1


def test_doubled_instance_numbers_tell_no_time() -> None:
    headers = a_stack(0, 0, 2, 2, number_of_temporal_positions=2, instance_number=1)

    assert len(split_series(headers)) == 1


def test_planes_of_another_orientation_are_volumes_of_their_own() -> None:
    axial = a_stack(0, 2, 4, 6)
    sagittal = [
        a_header(orientation_lps=SAGITTAL, position_lps_mm=(2.0 * k, 0.0, 0.0))
        for k in range(3)
    ]

    parts = split_series([*axial, *sagittal])

    assert [part.told_by for part in parts] == [
        "axial 8x6 of 1 mm",
        "sagittal 8x6 of 1 mm",
    ]


def test_two_sizes_over_one_range_are_two_volumes() -> None:
    headers = [*a_stack(0, 2, 4, 6), *a_stack(0, 2, 4, 6, rows=16)]

    assert levels_of(headers) == [[0, 2, 4, 6]] * 2


def test_two_sizes_after_each_other_are_one_damaged_volume() -> None:
    headers = [*a_stack(0, 2, 4, 6), *a_stack(8, 10, 12, rows=16)]

    parts = split_series(headers)

    (part,) = parts
    assert part.problem is not None
    assert part.problem.code == "mixed-size"
    assert "4 and 3 slices differ in size and follow each other" in part.problem.detail


def test_series_of_ever_new_shapes_ends_in_a_problem() -> None:
    headers = [a_header(float(n), rows=n) for n in range(1, 300)]

    (part,) = split_series(headers)

    assert part.problem is not None
    assert part.problem.code == "mixed-size"


@settings(max_examples=50)
@given(st.integers(0, 2**16), st.integers(1, 4), st.integers(2, 5))
def test_every_slice_is_in_one_part_whatever_the_order(
    seed: int, n_times: int, n_slices: int
) -> None:
    headers = [
        a_header(2.0 * k, temporal_position=t)
        for t in range(n_times)
        for k in range(n_slices)
    ]
    random.Random(seed).shuffle(headers)

    parts = split_series(headers)

    assert sorted(i for part in parts for i in part.slices) == list(range(len(headers)))
    assert [headers[p.slices[0]].temporal_position for p in parts] == list(
        range(n_times)
    )


def problems_of(headers: Sequence[DicomHeader]) -> list[str | None]:
    problems = [part.problem for part in split_series(headers)]
    return [problem.detail if problem else None for problem in problems]


def test_scouts_are_set_aside() -> None:
    scouts = [
        a_header(orientation_lps=SAGITTAL, image_type=("ORIGINAL", "LOCALIZER")),
        a_header(rows=99, image_type=("ORIGINAL", "LOCALIZER")),
    ]

    others, aside = split_series([*scouts, *a_stack(0, 2, 4)])

    assert (others.slices, others.problem) == ((2, 3, 4), None)
    assert (aside.slices, aside.told_by) == ((0, 1), "being a scout")


def test_series_of_scouts_alone_is_not_set_aside() -> None:
    (part,) = split_series(a_stack(0, 2, 4, image_type=("ORIGINAL", "LOCALIZER")))

    assert part.told_by == ""


@pytest.mark.parametrize(
    ("attribute", "values"),
    [
        ("echo_time_ms", (10.0, 80.0)),
        ("temporal_position", (1, 2)),
        ("b_value", (0.0, 800.0)),
        ("image_type", (("ORIGINAL", "M"), ("ORIGINAL", "P"))),
        ("series_number", (1, 2)),
        ("study_instance_uid", ("1.1", "1.2")),
        ("frame_of_reference_uid", ("1.1", "1.2")),
        ("stack", (1, 2)),
    ],
)
def test_volumes_that_lie_between_each_other_are_apart(
    attribute: str, values: tuple[Any, Any]
) -> None:
    headers = [
        a_header(4.0 * k + 2 * n, **{attribute: value})
        for n, value in enumerate(values)
        for k in range(3)
    ]

    assert levels_of(headers) == [[0, 4, 8], [2, 6, 10]]


def test_interleaved_acquisitions_are_one_volume() -> None:
    headers = [a_header(2.0 * n, acquisition_number=n % 2) for n in range(6)]

    assert len(split_series(headers)) == 1


def test_contrasts_that_follow_each_other_stay_together() -> None:
    headers = [a_header(2.0 * n, echo_time_ms=10.0 * (n > 2)) for n in range(6)]

    assert len(split_series(headers)) == 1


def test_identifiers_are_not_told() -> None:
    headers = [
        a_header(2.0 * k, frame_of_reference_uid=uid) for k in range(3) for uid in "ab"
    ]

    assert [part.told_by for part in split_series(headers)] == [
        "frame of reference 1",
        "frame of reference 2",
    ]


def test_volume_with_fewer_slices_than_its_siblings_lacks_some() -> None:
    headers = [
        a_header(2.0 * k, temporal_position=t)
        for t in range(3)
        for k in range(1 if t == 2 else 5)
    ]

    assert problems_of(headers) == [
        None,
        None,
        "1 slices, where a volume of the series with another temporal position has 5",
    ]


def test_acquisitions_may_differ_in_length() -> None:
    headers = [*a_stack(0, 2, 4, 6, acquisition_number=1)]
    headers += a_stack(2, 4, acquisition_number=2)

    assert problems_of(headers) == [None, None]


def test_mosaics_that_state_no_time_are_volumes_by_file() -> None:
    headers = [
        a_header(2.0 * k, frame=k, mosaic_tiles=3, instance_number=n)
        for n in (4, 7)
        for k in range(3)
    ]

    assert [part.told_by for part in split_series(headers)] == ["file 4", "file 7"]


def test_copy_of_a_mosaic_is_no_volume() -> None:
    headers = [
        a_header(2.0 * k, frame=k, mosaic_tiles=3, instance_number=1)
        for _ in "ab"
        for k in range(3)
    ]

    assert len(split_series(headers)) == 1


def test_dimensions_of_an_enhanced_file_tell_apart_what_nothing_else_does() -> None:
    headers = [
        a_header(2.0 * k, frame=2 * k + n, dimensions=(n,))
        for k in range(3)
        for n in (0, 1)
    ]

    assert [p.told_by for p in split_series(headers)] == ["dimension 0", "dimension 1"]


def test_acquisitions_that_are_even_only_alone_are_volumes() -> None:
    headers = [
        a_header(2.0 * k + 0.5 * n, acquisition_number=n)
        for n in range(3)
        for k in range(4)
    ]

    assert levels_of(headers)[1] == [0.5, 2.5, 4.5, 6.5]


def test_slabs_that_share_one_place_are_no_volumes() -> None:
    headers = [*a_stack(0, 2, 4, 6, acquisition_number=1)]
    headers += a_stack(6, 8, 10, 12, acquisition_number=2)

    assert len(split_series(headers)) == 1


def test_stacks_apart_are_volumes() -> None:
    headers = [*a_stack(0, 2, 4, stack=1), *a_stack(100, 102, 104, stack=2)]

    assert levels_of(headers) == [[0, 2, 4], [100, 102, 104]]


def test_mosaics_that_moved_are_volumes_by_file() -> None:
    headers = [
        a_header(2.0 * k + 0.5 * n, frame=k, mosaic_tiles=3, instance_number=n)
        for n in range(3)
        for k in range(3)
    ]

    assert [len(part.slices) for part in split_series(headers)] == [3, 3, 3]


def test_fragment_is_no_volume_whatever_tells_it_apart() -> None:
    headers = [
        a_header(2.0 * k, acquisition_number=n) for n in (1, 2) for k in range(6)
    ]
    headers += a_stack(4, 6, acquisition_number=3)

    assert problems_of(headers) == [
        None,
        None,
        "2 slices, where a volume of the series with another acquisition has 6",
    ]


def test_series_of_many_attributes_is_split_in_time() -> None:
    headers = [
        a_header(2.0 * k, trigger_time_ms=float(t), acquisition_number=k * 7 % 4000)
        for t in range(3)
        for k in range(4000)
    ]

    assert len(split_series(headers)) == 3


def test_halves_of_a_body_that_are_flipped_in_plane_are_no_volumes() -> None:
    flipped = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    headers = [
        *a_stack(0, 2, 4, 6),
        *a_stack(8, 10, 12, 14, orientation_lps=flipped),
    ]

    (part,) = split_series(headers)

    assert part.problem is not None
    assert part.problem.code == "mixed-orientation"
    assert "follow each other" in part.problem.detail


@pytest.mark.parametrize("attribute", ["series_description", "series_number"])
def test_series_of_which_half_lost_a_word_stays_whole(attribute: str) -> None:
    headers = a_stack(*map(float, range(8)))
    stated: dict[str, Any] = {attribute: 7}
    headers[::2] = [replace(h, **stated) for h in headers[::2]]

    assert len(split_series(headers)) == 1
