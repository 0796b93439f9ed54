from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest

from tests.unit.ingest.makers import a_header
from voxray.core.geometry import VoxelGrid
from voxray.core.records import FileFormat, ScanId
from voxray.core.specs import ChannelRules, IntakeRules
from voxray.ingest.choose import best_of, unwanted, why_not, why_worse
from voxray.ingest.facts import has_contrast, plane
from voxray.ingest.scans import FoundScan

CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
TILTED = (0.7071, -0.7071, 0.0, 0.4082, 0.4082, -0.8165)


def a_series(number: int | None = 1, n_slices: int = 20, **header: Any) -> FoundScan:
    path = PurePosixPath(f"study/series{number}")
    return FoundScan(
        scan_id=ScanId(f"s{number}"),
        identity=f"1.2.{number}#0",
        format=FileFormat.DICOM,
        path=path,
        files=tuple(path / f"{k}.dcm" for k in range(n_slices)),
        header=a_header(series_number=number, **header),
        n_slices=n_slices,
    )


def a_nifti(
    path: str = "t1/a.nii.gz",
    shape: tuple[int, int, int] = (8, 6, 20),
    spacing: tuple[float, float, float] = (1.0, 1.0, 2.0),
    **changes: Any,
) -> FoundScan:
    grid = VoxelGrid.from_affine("-", shape, np.diag([*spacing, 1.0]))
    place = PurePosixPath(path)
    scan_id, kind = ScanId(place.name), FileFormat.NIFTI
    return FoundScan(scan_id, path, kind, place, (place,), grid=grid, **changes)


def said(scan: FoundScan, **rule: Any) -> str | None:
    return why_not(scan, ChannelRules(**rule))


PASSING: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"modality": "MR"}, {"modality": ["mr", "CT"]}),
    ({"body_part": "BRAIN"}, {"body_part": "brain"}),
    ({"series_description": "Ax FLAIR"}, {"description": "flair"}),
    ({"series_description": "Ax T1"}, {"exclude_description": "flair"}),
    ({}, {"orientation": "axial"}),
    ({"orientation_lps": CORONAL}, {"orientation": ["coronal", "sagittal"]}),
    ({"orientation_lps": TILTED}, {"orientation": "oblique"}),
    ({"slice_thickness_mm": 1.0}, {"slice_thickness_mm": [None, 2.5]}),
    ({"spacing_between_slices_mm": 3.0}, {"slice_thickness_mm": [3, 3]}),
    ({}, {"spacing_mm": [0.5, 1.0]}),
    ({}, {"n_slices": [20, None]}),
    ({"contrast_agent": "Gadovist"}, {"contrast": True}),
    ({"contrast_agent": "NONE"}, {"contrast": False}),
    ({}, {"image_type": ["primary"]}),
    ({}, {"image_type_not": "DERIVED"}),
    ({"manufacturer": "SIEMENS Healthineers"}, {"manufacturer": "siemens"}),
    ({"echo_time_ms": 90.0}, {"echo_time_ms": [80, 100]}),
    ({"b_value": 1000.0}, {"b_value": [1000, 1000]}),
    ({"temporal_position": 2}, {"temporal_position": 2}),
    ({"laterality": "L"}, {"laterality": "L"}),
    ({"view_position": "CC"}, {"view_position": ["CC", "MLO"]}),
    ({}, {"volume": 0}),
    ({}, {"path": "*/series1"}),
    ({}, {"path_pattern": "SERIES[0-9]"}),
]


@pytest.mark.parametrize(("header", "rule"), PASSING)
def test_what_a_rule_asks_passes(header, rule):
    assert said(a_series(**header), **rule) is None


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"modality": ["CT"]}, "modality is MR, the rule asks CT"),
    ({}, {"body_part": "HEAD"}, "body part is not stated, the rule asks HEAD"),
    (
        {"series_description": "T2 of Jane"},
        {"description": "T1"},
        "the series description does not match 'T1'",
    ),
    (
        {"series_description": "T2 of Jane"},
        {"exclude_description": "t2"},
        "the series description matches 't2', which the rule excludes",
    ),
    (
        {"orientation_lps": CORONAL},
        {"orientation": "axial"},
        "orientation is coronal, the rule asks axial",
    ),
    (
        {"orientation_lps": None},
        {"orientation": "axial"},
        "orientation is not stated, the rule asks axial",
    ),
    (
        {"slice_thickness_mm": 5.0},
        {"slice_thickness_mm": [None, 2.5]},
        "slice thickness is 5 mm, the rule asks at most 2.5 mm",
    ),
    (
        {},
        {"slice_thickness_mm": [1, None]},
        "slice thickness is not stated, the rule asks at least 1 mm",
    ),
    (
        {"pixel_spacing_mm": (0.5, 2.0)},
        {"spacing_mm": [0.4, 1]},
        "pixel spacing is 2 mm, the rule asks 0.4 to 1 mm",
    ),
    ({}, {"n_slices": [30, 40]}, "the number of slices is 20, the rule asks 30 to 40"),
    (
        {"contrast_agent": "Gadovist"},
        {"contrast": False},
        "the series is with contrast agent, the rule asks one without contrast agent",
    ),
    ({}, {"image_type": "M"}, "the image type lacks M"),
    (
        {},
        {"image_type_not": "primary"},
        "the image type has primary, which the rule excludes",
    ),
    (
        {"manufacturer": "GE"},
        {"manufacturer": "philips"},
        "manufacturer is GE, the rule asks philips",
    ),
    (
        {"echo_time_ms": 12.0},
        {"echo_time_ms": [80, 100]},
        "echo time is 12 ms, the rule asks 80 to 100 ms",
    ),
    ({}, {"b_value": [0, 0]}, "b-value is not stated, the rule asks 0 to 0"),
    (
        {},
        {"temporal_position": 3},
        "temporal position is not stated, the rule asks 3",
    ),
    ({}, {"laterality": "L"}, "laterality is not stated, the rule asks L"),
    ({}, {"volume": 1}, "it is volume 0 of its file, the rule asks 1"),
    ({}, {"path": "t1/*"}, "the path does not match 't1/*'"),
    ({}, {"path_pattern": "^t1"}, "the path does not match '^t1'"),
]


@pytest.mark.parametrize(("header", "rule", "reason"), REFUSED)
def test_what_a_rule_leaves_out_is_told_with_its_value(header, rule, reason):
    assert said(a_series(**header), **rule) == reason


def test_a_file_without_header_passes_every_rule_on_one():
    rule = {"modality": "MR", "description": "T1", "contrast": True, "b_value": [1, 2]}

    assert said(a_nifti(), **rule) is None


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"n_slices": [30, None]}, "the number of slices is 20"),
        ({"slice_thickness_mm": [3, 4]}, "slice thickness is 2 mm"),
        ({"spacing_mm": [2, 3]}, "pixel spacing is 1 mm"),
        ({"orientation": "coronal"}, "orientation is axial"),
        ({"path": "flair/*"}, "the path does not match"),
    ],
)
def test_rules_on_geometry_and_path_hold_for_files_without_header(rule, reason):
    assert str(said(a_nifti(), **rule)).startswith(reason)


def test_a_scan_that_no_channel_wants_gets_the_reason_of_each():
    channels = {"a": ChannelRules(modality=("CT",)), "b": ChannelRules(volume=1)}
    rules = IntakeRules(channels=channels)

    reason = unwanted(a_series(), rules)

    assert reason == (
        "a: modality is MR, the rule asks CT; "
        "b: it is volume 0 of its file, the rule asks 1"
    )


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("T1 post", True),
        ("T1 +C", True),
        ("T1 Gd", True),
        ("Thorax mit Kontrast", True),
        ("T1 pre contrast", False),
        ("CT w/o contrast", False),
        ("non-contrast", False),
        ("T1 postproc", False),
        ("T2 FLAIR", False),
        ("posterior", False),
    ],
)
def test_contrast_is_read_from_the_description(description, expected):
    assert has_contrast(a_header(series_description=description)) is expected


def test_a_picture_without_geometry_has_no_plane():
    assert plane(a_series(orientation_lps=(1.0, 0.0))) is None


@pytest.mark.parametrize(
    ("score", "better", "worse"),
    [
        ("thinnest", {"slice_thickness_mm": 1.0}, {"slice_thickness_mm": 5.0}),
        ("finest", {"pixel_spacing_mm": (0.5, 0.5)}, {"pixel_spacing_mm": (1.0, 1.0)}),
        ("most_slices", {"n_slices": 30}, {"n_slices": 20}),
        ("highest_series_number", {"number": 9}, {"number": 2}),
        (
            "latest_series",
            {"series_time": "20200101 120000.5"},
            {"series_time": "20200101 120000"},
        ),
        ("thinnest", {"slice_thickness_mm": 5.0}, {}),
    ],
)
def test_the_best_scan_is_taken_by_the_score(score, better, worse):
    scans = [a_series(**({"number": 3} | worse)), a_series(**({"number": 4} | better))]
    if "number" in better:
        scans = [a_series(**worse), a_series(**better)]

    assert best_of(scans, ChannelRules(choose="best", score=score)) is scans[1]


def test_the_first_scan_is_that_of_the_lowest_series_number():
    scans = [a_series(None), a_series(7), a_series(3)]

    assert best_of(scans, ChannelRules(choose="first")) is scans[2]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"choose": "first"}, "series 1 comes first"),
        ({}, "series 1 was taken by thinnest: 1 mm, here 5 mm"),
        (
            {"score": "most_slices"},
            "series 1 is equal by most slices (20) and comes first",
        ),
        ({"score": "latest_series"}, "series 1 was taken by latest series"),
        (
            {"score": "highest_series_number"},
            "series 1 was taken by highest series number: 1, here not stated",
        ),
    ],
)
def test_what_was_not_taken_is_told_what_was(rule, reason):
    taken = a_series(1, slice_thickness_mm=1.0)
    other = a_series(None, slice_thickness_mm=5.0)

    assert why_worse(other, taken, ChannelRules(**rule)) == reason


def test_a_volume_of_several_is_named_with_its_number():
    taken = a_nifti("a.nii.gz", volume=1, n_volumes=2)
    other = a_nifti("b.nii.gz", spacing=(1.0, 1.0, 3.0))

    reason = why_worse(other, taken, ChannelRules())

    assert reason == (
        "scan a.nii.gz, volume 2 of 2 was taken by thinnest: 2 mm, here 3 mm"
    )
