"""Faults of what stands together in one series or folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from tests.benchmarks.fault_matrix.truth import (
    Truth,
    a_series,
    a_stack,
    fault,
    save_all,
    true_volume,
)
from tests.makers import CORONAL, SAGITTAL, a_uid, set_pixels

from voxray.core.findings import FindingCode as Code

VOLUMES = "Several volumes in one series or folder"
STRAY = "Slices that do not belong"
_SPLIT = Code.SPLIT_SERIES


def _another(start: int, offset: float, **elements: Any) -> list[Dataset]:
    """The same stack again, with another offset and these elements."""
    slices = a_stack(offset=offset)
    for k, piece in enumerate(slices):
        piece.SOPInstanceUID = a_uid("again", start, k)
        piece.InstanceNumber = start + k + 1
        for keyword, value in elements.items():
            setattr(piece, keyword, value)
    return slices


def _both(folder: Path, *stacks: Sequence[Dataset]) -> list[Truth]:
    save_all(folder, [piece for stack in stacks for piece in stack])
    return [true_volume(stack) for stack in stacks]


@fault("two series in one folder", VOLUMES)
def two_series(folder: Path) -> list[Truth]:
    other = _another(0, 900, SeriesInstanceUID=a_uid("other series"), SeriesNumber=2)
    return _both(folder, a_stack(), other)


@fault("two echoes in one series", VOLUMES, _SPLIT)
def two_echoes(folder: Path) -> list[Truth]:
    first = _another(0, 0, EchoNumbers=1, EchoTime=10)
    return _both(folder, first, _another(8, 900, EchoNumbers=2, EchoTime=90))


@fault("two b-values in one series", VOLUMES, _SPLIT)
def two_b_values(folder: Path) -> list[Truth]:
    first = _another(0, 900, DiffusionBValue=0.0)
    return _both(folder, first, _another(8, 0, DiffusionBValue=1000.0))


@fault("three times in one series (4D), times stated", VOLUMES, _SPLIT)
def times_stated(folder: Path) -> list[Truth]:
    stacks = [
        _another(
            8 * n,
            900 * n,
            TemporalPositionIdentifier=n + 1,
            NumberOfTemporalPositions=3,
            AcquisitionNumber=n + 1,
        )
        for n in range(3)
    ]
    return _both(folder, *stacks)


@fault("three times in one series (4D), only instance numbers", VOLUMES, _SPLIT,
       Code.CONFLICTING_SLICES)  # fmt: skip
def times_unstated(folder: Path) -> list[Truth]:
    return _both(folder, *(_another(8 * n, 900 * n) for n in range(3)))


@fault("two acquisitions of one region in one series", VOLUMES, _SPLIT)
def two_acquisitions(folder: Path) -> list[Truth]:
    first = _another(0, 0, AcquisitionNumber=1)
    return _both(folder, first, _another(8, 900, AcquisitionNumber=2))


@fault("magnitude and phase in one series", VOLUMES, _SPLIT)
def magnitude_and_phase(folder: Path) -> list[Truth]:
    first = _another(0, 0, ImageType=["ORIGINAL", "PRIMARY", "M"])
    phase = _another(8, 900, ImageType=["ORIGINAL", "PRIMARY", "P"])
    return _both(folder, first, phase)


@fault("two echoes, one slice of one missing", VOLUMES, _SPLIT, Code.MISSING_SLICE,
       Code.CONFLICTING_SLICES)  # fmt: skip
def echo_incomplete(folder: Path) -> list[Truth]:
    first = _another(0, 0, EchoNumbers=1, EchoTime=10)
    second = _another(8, 900, EchoNumbers=2, EchoTime=90)
    del second[3]
    save_all(folder, [*first, *second])
    return [true_volume(first)]


def _between(start: int, **elements: Any) -> list[Dataset]:
    """A stack whose slices lie midway between those of the plain one."""
    slices = a_stack(a_series(origin_lps_mm=(-20.0, -10.0, 31.0)), offset=900)
    for k, piece in enumerate(slices):
        piece.SOPInstanceUID = a_uid("between", start, k)
        piece.InstanceNumber = start + k + 1
        for keyword, value in elements.items():
            setattr(piece, keyword, value)
    return slices


@fault("two stacks that lie between each other, of two descriptions", VOLUMES, _SPLIT)
def described_between(folder: Path) -> list[Truth]:
    first = _another(0, 0, SeriesDescription="T1")
    return _both(folder, first, _between(8, SeriesDescription="T2"))


@fault("two stacks that lie between each other, numbered alike", VOLUMES,
       Code.CONFLICTING_SLICES)  # fmt: skip
def numbered_between(folder: Path) -> list[Truth]:
    save_all(folder, [*a_stack(), *_between(0)])
    return []


@fault("two patients in one series", VOLUMES, Code.MIXED_PATIENTS)
def two_patients(folder: Path) -> list[Truth]:
    slices = a_stack()
    for piece in slices[4:]:
        piece.PatientID, piece.PatientName = "patient2", "Test^patient2"
    save_all(folder, slices)
    return []


@fault("an axial and a coronal stack in one series", VOLUMES, _SPLIT)
def two_stacks(folder: Path) -> list[Truth]:
    return _both(folder, a_stack(), _turned(CORONAL, 8))


def _turned(orientation: tuple[float, ...], n_slices: int) -> list[Dataset]:
    slices = a_stack(a_series(orientation=orientation, n_slices=n_slices))
    for k, piece in enumerate(slices):
        piece.SOPInstanceUID = a_uid("turned", orientation, k)
        piece.InstanceNumber = 20 + k
    return slices


@fault("one coronal slice in an axial series", STRAY, Code.MIXED_ORIENTATION)
def stray_orientation(folder: Path) -> list[Truth]:
    save_all(folder, [*a_stack(), *_turned(CORONAL, 1)])
    return []


@fault("three-plane localizer", STRAY, Code.LOCALIZER, Code.MIXED_ORIENTATION)
def localizer(folder: Path) -> list[Truth]:
    planes = [_turned(o, 1) for o in (CORONAL, SAGITTAL)]
    slices = [a_stack()[4], *planes[0], *planes[1]]
    for piece in slices:
        piece.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        piece.SeriesDescription = "localizer"
    save_all(folder, slices)
    return []


@fault("one slice of another size", STRAY, Code.MIXED_SIZE)
def stray_size(folder: Path) -> list[Truth]:
    slices = a_stack()
    other = a_stack(a_series(rows=8, columns=10))[4]
    other.SOPInstanceUID = slices[4].SOPInstanceUID
    slices[4] = other
    save_all(folder, slices)
    return []


@fault("one half of the slices of another size", STRAY, Code.MIXED_SIZE)
def half_other_size(folder: Path) -> list[Truth]:
    other = a_stack(a_series(rows=8, columns=10))
    save_all(folder, [*a_stack()[:4], *other[4:]])
    return []


@fault("one half of the slices of another pixel spacing", STRAY, Code.MIXED_SIZE)
def half_other_spacing(folder: Path) -> list[Truth]:
    other = a_stack(a_series(spacing_mm=(2.0, 1.5, 2.0)))
    save_all(folder, [*a_stack()[:4], *other[4:]])
    return []


@fault("screenshot among the slices", STRAY, Code.UNSUPPORTED_IMAGE)
def screenshot(folder: Path) -> list[Truth]:
    slices = a_stack()
    truth = true_volume(slices)
    picture = a_stack()[0]
    picture.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    picture.SOPInstanceUID, picture.InstanceNumber = a_uid("picture"), 9
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(picture, keyword)
    set_pixels(picture, np.arange(120, dtype=np.int16).reshape(10, 12))
    save_all(folder, [*slices, picture])
    return [truth]


@fault("a report (no pixels) in the series", STRAY, Code.UNSUPPORTED_IMAGE)
def report(folder: Path) -> list[Truth]:
    slices = a_stack()
    text = Dataset()
    text.file_meta = slices[0].file_meta
    text.SOPClassUID, text.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.11", a_uid("sr")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "PatientID"):
        setattr(text, keyword, getattr(slices[0], keyword))
    text.Modality, text.InstanceNumber = "SR", 9
    save_all(folder, [*slices, text])
    return [true_volume(slices)]


@fault("a text file and a table in the folder", STRAY, Code.NOT_AN_IMAGE)
def other_files(folder: Path) -> list[Truth]:
    slices = a_stack()
    save_all(folder, slices)
    (folder / "notes.txt").write_text("read me")
    (folder / "table.csv").write_text("a,b\n1,2\n")
    return [true_volume(slices)]
