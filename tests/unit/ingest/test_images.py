"""What a header says of the kind of an image."""

from typing import Any

import pytest

from tests.unit.ingest.makers import a_header, a_stack
from voxray.ingest.images import image_findings, kind_findings
from voxray.scan_io import is_plane

NO_PLACE: dict[str, Any] = {"position_lps_mm": None, "orientation_lps": None}


def kinds(**changes: Any) -> dict[str, str]:
    findings = kind_findings(a_stack(0, 2, 4, **changes))
    return {finding.code.value: finding.detail for finding in findings}


def test_plain_slices_are_nothing_special() -> None:
    assert kinds() == {}


def test_image_type_names_a_localizer() -> None:
    found = kinds(image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))

    assert found == {"localizer": "the image type says localizer"}


@pytest.mark.parametrize("text", ["3-plane loc", "Head SCOUT", "AAHead_Scout_64ch"])
def test_description_names_a_localizer(text: str) -> None:
    assert "3 slices" in kinds(series_description=text)["localizer"]


def test_many_slices_are_no_localizer_whatever_they_are_called() -> None:
    headers = a_stack(*map(float, range(100)), series_description="scout T1")

    assert kind_findings(headers) == []


def test_computed_images_are_said() -> None:
    found = kinds(image_type=("DERIVED", "SECONDARY", "MPR"))

    assert found == {"derived-image": "image type DERIVED, SECONDARY, MPR"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"modality": "DX", **NO_PLACE}, True),
        ({"modality": "US", **NO_PLACE}, True),
        ({"modality": "MG"}, True),
        ({"modality": "OT", **NO_PLACE}, True),
        ({"modality": "OT"}, False),
        ({"modality": "MR", **NO_PLACE}, False),
        ({"modality": "US", "frame": 3, **NO_PLACE}, False),
    ],
)
def test_images_of_their_own_are_told_from_slices(
    changes: dict[str, Any], expected: bool
) -> None:
    assert is_plane(a_header(**changes)) is expected


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"pixel_spacing_mm": None}, ["no-geometry"]),
        ({"pixel_spacing_mm": None, "imager_pixel_spacing_mm": (0.1, 0.1)}, []),
        ({"truncated": True}, ["truncated-file"]),
        ({"has_pixels": False}, ["unsupported-image"]),
    ],
)
def test_radiograph_says_what_it_lacks(
    changes: dict[str, Any], codes: list[str]
) -> None:
    header = a_header(**({"modality": "DX", **NO_PLACE} | changes))

    assert [finding.code for finding in image_findings(header)] == codes


def test_screenshot_of_a_scanner_is_no_image() -> None:
    header = a_header(
        modality="CT", sop_class_uid="1.2.840.10008.5.1.4.1.1.7", **NO_PLACE
    )

    assert "screenshot" in image_findings(header)[0].detail
