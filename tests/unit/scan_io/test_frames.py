"""Frames of enhanced files: what each says of itself."""

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.frame_makers import an_enhanced, nested
from tests.makers import AXIAL, SAGITTAL, Series, a_slice, save_dicom
from voxray.scan_io import DicomHeader, read_dicom_header
from voxray.scan_io.dicom.frames import frames_of

CONVERTED = "UnassignedPerFrameConvertedAttributesSequence"
TWO = Series(n_slices=2)


def read(tmp_path: Path, dataset: Dataset) -> DicomHeader:
    return read_dicom_header(save_dicom(dataset, tmp_path / "a.dcm"))


def test_file_of_one_slice_has_no_frames() -> None:
    assert frames_of(a_slice(Series(), 0)) == ()


def test_each_frame_has_its_own_place_and_the_shared_plane(tmp_path: Path) -> None:
    header = read(tmp_path, an_enhanced(Series(n_slices=3, spacing_mm=(0.5, 0.75, 2))))

    slices = header.slices()

    assert [s.position_lps_mm for s in slices] == [(0, 0, 0), (0, 0, 2), (0, 0, 4)]
    assert [s.frame for s in slices] == [0, 1, 2]
    assert {s.orientation_lps for s in slices} == {AXIAL}
    assert {s.pixel_spacing_mm for s in slices} == {(0.5, 0.75)}
    assert {s.slice_thickness_mm for s in slices} == {2.0}


def test_value_of_the_frame_goes_before_the_shared_one() -> None:
    turned = nested("PlaneOrientationSequence", ImageOrientationPatient=list(SAGITTAL))

    first, second = frames_of(an_enhanced(TWO, [Dataset(), turned]))

    assert (first.orientation_lps, second.orientation_lps) == (AXIAL, SAGITTAL)


@pytest.mark.parametrize(
    ("group", "attribute", "value"),
    [
        (
            nested("FrameContentSequence", TemporalPositionIndex=7),
            "temporal_position",
            7,
        ),
        (
            nested("FrameContentSequence", FrameAcquisitionNumber=4),
            "acquisition_number",
            4,
        ),
        (nested("MREchoSequence", EffectiveEchoTime=80.5), "echo_time_ms", 80.5),
        (nested("MRDiffusionSequence", DiffusionBValue=800.0), "b_value", 800.0),
        (
            nested(
                "MRDiffusionSequence",
                "DiffusionGradientDirectionSequence",
                DiffusionGradientOrientation=[0.0, 0.6, 0.8],
            ),
            "diffusion_direction",
            (0.0, 0.6, 0.8),
        ),
        (
            nested(
                "CardiacSynchronizationSequence", NominalCardiacTriggerDelayTime=40.0
            ),
            "trigger_time_ms",
            40.0,
        ),
        (
            nested("MRImageFrameTypeSequence", FrameType=["ORIGINAL", "PRIMARY", "M"]),
            "image_type",
            ("ORIGINAL", "PRIMARY", "M"),
        ),
        (
            nested("CTImageFrameTypeSequence", FrameType=["DERIVED", "PRIMARY"]),
            "image_type",
            ("DERIVED", "PRIMARY"),
        ),
        (
            nested(CONVERTED, EchoTime=12.0),
            "echo_time_ms",
            12.0,
        ),
        (
            nested(
                "UnassignedPerFrameConvertedAttributesSequence", AcquisitionNumber=3
            ),
            "acquisition_number",
            3,
        ),
    ],
)
def test_attributes_of_a_frame(group: Dataset, attribute: str, value: Any) -> None:
    first, second = frames_of(an_enhanced(TWO, [group]))

    assert getattr(first, attribute) == value
    assert getattr(second, attribute) is None


def test_stacks_are_numbered_since_a_name_could_be_anything() -> None:
    names = [nested("FrameContentSequence", StackID=name) for name in ("Doe", "A")]

    frames = frames_of(an_enhanced(TWO, [*names]))

    assert [frame.stack for frame in frames] == [1, 2]


def test_only_dimensions_that_are_no_place_are_counted() -> None:
    dataset = an_enhanced(
        TWO,
        [
            nested("FrameContentSequence", DimensionIndexValues=[n, 9, 5])
            for n in (1, 2)
        ],
    )
    dataset.DimensionIndexSequence = [
        nested(DimensionIndexPointer=pointer)
        for pointer in (0x00209057, 0x00189087, 0x00200032)
    ]

    assert [frame.dimensions for frame in frames_of(dataset)] == [(9,), (9,)]


@pytest.mark.parametrize("stated", [1, 3, 2147483647])
def test_frames_that_are_not_as_many_as_stated_are_not_believed(stated: int) -> None:
    dataset = an_enhanced(TWO)
    dataset.NumberOfFrames = stated

    assert frames_of(dataset) == ()


def test_enhanced_file_of_one_frame_is_a_slice(tmp_path: Path) -> None:
    (piece,) = read(tmp_path, an_enhanced(Series(n_slices=1))).slices()

    assert piece.frame == 0
    assert piece.position_lps_mm == (0, 0, 0)


def test_film_has_no_frames(tmp_path: Path) -> None:
    dataset = a_slice(Series(), 0)
    dataset.NumberOfFrames = 20
    dataset.PixelData = dataset.PixelData * 20

    header = read(tmp_path, dataset)

    assert header.frames == ()
    assert header.number_of_frames == 20


def test_broken_groups_leave_values_out() -> None:
    dataset = an_enhanced(TWO)
    dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence = Sequence()
    odd = nested("PlanePositionSequence", ImagePositionPatient=[1.0, 2.0])
    dataset.PerFrameFunctionalGroupsSequence[1].update(odd)

    assert [frame.position_lps_mm for frame in frames_of(dataset)] == [None, None]


def a_tomogram(**changes: Any) -> Dataset:
    """A reconstructed nuclear image of three slices, 4 mm apart."""
    dataset = a_slice(Series(modality="NM"), 0)
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    dataset.NumberOfFrames = 3
    dataset.FrameIncrementPointer = 0x00540080
    dataset.SliceVector = [1, 2, 3]
    dataset.SpacingBetweenSlices = 4.0
    dataset.DetectorInformationSequence = [
        nested(ImagePositionPatient=[1, 2, 3], ImageOrientationPatient=list(AXIAL))
    ]
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(("between", "last_mm"), [(4.0, 11.0), (-4.0, -5.0)])
def test_slices_of_a_tomogram_follow_the_sign_of_the_spacing(
    between: float, last_mm: float
) -> None:
    frames = frames_of(a_tomogram(SpacingBetweenSlices=between))

    places = [frame.position_lps_mm for frame in frames]
    assert (places[0], places[2]) == ((1, 2, 3), (1, 2, last_mm))


@pytest.mark.parametrize(
    "changes",
    [
        {"SliceVector": [1, 3, 2]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "DYNAMIC"]},
        {"FrameIncrementPointer": [0x00540080, 0x00540070]},
        {"SpacingBetweenSlices": None},
        {"DetectorInformationSequence": []},
    ],
)
def test_nuclear_images_of_other_kinds_are_not_placed(changes: dict[str, Any]) -> None:
    assert frames_of(a_tomogram(**changes)) == ()
