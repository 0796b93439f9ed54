"""Faults of where slices lie, or of what the header says of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from tests.benchmarks.fault_matrix.truth import (
    CONTROL,
    Truth,
    a_series,
    a_stack,
    fault,
    paint,
    save_all,
    true_volume,
)
from tests.makers import CORONAL, SAGITTAL, a_uid

from voxray.core.findings import FindingCode as Code

SLICES = "Missing, doubled and displaced slices"
STATED = "Headers that mislead about the geometry"
OBLIQUE = (0.9396926, 0.2961981, -0.1710101, -0.3213938, 0.9254166, -0.1631759)
_rng = np.random.default_rng(7)


def _unit(orientation: Sequence[float]) -> tuple[float, ...]:
    row, column = np.reshape(orientation, (2, 3))
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return tuple(round(float(x), 8) for x in (*row, *column))


def _moved(slices: Sequence[Dataset], distances_mm: Sequence[float]) -> None:
    """Put slices at other distances along z, with the values of their new place."""
    for piece, distance in zip(slices, distances_mm, strict=True):
        x, y, _ = piece.ImagePositionPatient
        piece.ImagePositionPatient = [x, y, round(30 + distance, 4)]
        paint(piece)


def _written(folder: Path, slices: list[Dataset]) -> list[Truth]:
    save_all(folder, slices)
    return [true_volume(slices)]


@fault("axial series", CONTROL)
def regular_axial(folder: Path) -> list[Truth]:
    return _written(folder, a_stack())


@fault("sagittal series", CONTROL)
def regular_sagittal(folder: Path) -> list[Truth]:
    return _written(folder, a_stack(a_series(orientation=SAGITTAL)))


@fault("doubly oblique series", CONTROL)
def regular_oblique(folder: Path) -> list[Truth]:
    return _written(folder, a_stack(a_series(orientation=_unit(OBLIQUE))))


@fault("one slice missing inside", SLICES, Code.MISSING_SLICE)
def missing_inside(folder: Path) -> list[Truth]:
    slices = a_stack()
    del slices[3]
    save_all(folder, slices)
    return []


@fault("two slices missing inside, apart", SLICES, Code.MISSING_SLICE)
def two_missing_inside(folder: Path) -> list[Truth]:
    slices = a_stack()
    del slices[5], slices[2]
    save_all(folder, slices)
    return []


@fault("every second slice of one half missing", SLICES, Code.MISSING_SLICE)
def half_thinned(folder: Path) -> list[Truth]:
    slices = a_stack(a_series(n_slices=12))
    save_all(folder, [*slices[:6], *slices[6::2]])
    return []


@fault("missing at the end; the header states 8 slices", SLICES, Code.MISSING_SLICE)
def missing_at_end_stated(folder: Path) -> list[Truth]:
    slices = a_stack(a_series(extra={"ImagesInAcquisition": 8}))
    save_all(folder, slices[:-2])
    return []


@fault("missing at the end; nothing is stated", SLICES, Code.EXTENT_UNVERIFIED)
def missing_at_end(folder: Path) -> list[Truth]:
    return _written(folder, a_stack()[:-2])


@fault("a slice twice, equal pixels", SLICES, Code.DUPLICATE_SLICE)
def duplicate_equal(folder: Path) -> list[Truth]:
    slices = a_stack()
    truth = true_volume(slices)
    copy = a_stack()[4]
    copy.SOPInstanceUID, copy.InstanceNumber = a_uid("copy"), 9
    save_all(folder, [*slices, copy])
    return [truth]


@fault("a file twice under another name", SLICES, Code.DUPLICATE_SLICE)
def duplicate_file(folder: Path) -> list[Truth]:
    slices = a_stack()
    save_all(folder, [*slices, slices[2]])
    return [true_volume(slices)]


@fault("a slice twice, different pixels", SLICES, Code.CONFLICTING_SLICES)
def duplicate_different(folder: Path) -> list[Truth]:
    slices = a_stack()
    other = a_stack(offset=300)[4]
    other.SOPInstanceUID, other.InstanceNumber = a_uid("other"), 9
    save_all(folder, [*slices, other])
    return []


@fault("spacing varies by up to 30 %", SLICES, Code.UNEVEN_SPACING)
def uneven(folder: Path) -> list[Truth]:
    slices = a_stack()
    _moved(slices, np.cumsum([0, 2, 2.6, 1.6, 2.3, 1.5, 2.4, 1.9]).tolist())
    save_all(folder, slices)
    return []


@fault("the same, `uneven-spacing: repair`", SLICES, Code.UNEVEN_SPACING,
       uneven_spacing="repair")  # fmt: skip
def uneven_repaired(folder: Path) -> list[Truth]:
    slices = a_stack()
    _moved(slices, np.cumsum([0, 2, 2.6, 1.6, 2.3, 1.5, 2.4, 1.9]).tolist())
    save_all(folder, slices)
    return [replace(true_volume(slices), any_grid=True)]


@fault("spacing of 2 mm, then of 3 mm", SLICES, Code.UNEVEN_SPACING)
def two_spacings(folder: Path) -> list[Truth]:
    slices = a_stack()
    _moved(slices, [0, 2, 4, 6, 9, 12, 15, 18])
    save_all(folder, slices)
    return []


@fault("gantry tilted by 15 degrees (CT)", SLICES, Code.GANTRY_TILT)
def gantry_tilt(folder: Path) -> list[Truth]:
    angle = np.radians(15)
    extra = {"GantryDetectorTilt": "15", "ImagesInAcquisition": 8}
    slices = a_stack(a_series(modality="CT", extra=extra))
    for k, piece in enumerate(slices):
        lean = round(-10 - 2 * k * float(np.tan(angle)), 5)
        piece.ImagePositionPatient = [-20, lean, 30 + 2 * k]
        paint(piece)
    save_all(folder, slices)
    return [replace(true_volume(slices), any_grid=True)]


@fault("one slice displaced in its plane by 3 mm", SLICES, Code.SHIFTED_SLICE)
def shifted(folder: Path) -> list[Truth]:
    slices = a_stack()
    slices[4].ImagePositionPatient = [-17, -10, 38]
    paint(slices[4])
    save_all(folder, slices)
    return []


@fault("single slice", SLICES, Code.SINGLE_SLICE)
def single_slice(folder: Path) -> list[Truth]:
    return _written(folder, a_stack()[:1])


@fault("instance numbers run backwards", STATED)
def numbers_backwards(folder: Path) -> list[Truth]:
    slices = a_stack()
    for k, piece in enumerate(slices):
        piece.InstanceNumber = 8 - k
    return _written(folder, slices)


@fault("instance numbers and file names shuffled", STATED)
def numbers_shuffled(folder: Path) -> list[Truth]:
    slices = a_stack()
    truth = true_volume(slices)
    for piece, number in zip(slices, _rng.permutation(8), strict=True):
        piece.InstanceNumber = int(number)
    save_all(folder, [slices[k] for k in (5, 2, 7, 0, 3, 6, 1, 4)])
    return [truth]


@fault("instance numbers absent", STATED)
def numbers_absent(folder: Path) -> list[Truth]:
    slices = a_stack(a_series(extra={"InstanceNumber": None}))
    truth = true_volume(slices)
    save_all(folder, [slices[k] for k in (5, 2, 7, 0, 3, 6, 1, 4)])
    return [truth]


@fault("every instance number is 1", STATED)
def numbers_equal(folder: Path) -> list[Truth]:
    slices = a_stack(a_series(extra={"InstanceNumber": 1}))
    truth = true_volume(slices)
    save_all(folder, [slices[k] for k in (5, 2, 7, 0, 3, 6, 1, 4)])
    return [truth]


@fault("SliceThickness 5 mm, positions 2 mm apart", STATED)
def wrong_thickness(folder: Path) -> list[Truth]:
    return _written(folder, a_stack(a_series(extra={"SliceThickness": 5})))


@fault("SpacingBetweenSlices 4 mm, positions 2 mm apart", STATED)
def wrong_spacing_between(folder: Path) -> list[Truth]:
    return _written(folder, a_stack(a_series(extra={"SpacingBetweenSlices": 4})))


@fault("no position in any slice", STATED, Code.MISSING_GEOMETRY)
def no_position(folder: Path) -> list[Truth]:
    slices = a_stack()
    for piece in slices:
        del piece.ImagePositionPatient
    save_all(folder, slices)
    return []


@fault("no position in one slice", STATED, Code.MISSING_GEOMETRY)
def one_without_position(folder: Path) -> list[Truth]:
    slices = a_stack()
    del slices[3].ImagePositionPatient
    save_all(folder, slices)
    return []


@fault("all positions the same", STATED, Code.CONFLICTING_SLICES)
def one_position(folder: Path) -> list[Truth]:
    slices = a_stack()
    for piece in slices:
        piece.ImagePositionPatient = [-20, -10, 30]
    save_all(folder, slices)
    return []


@fault("orientation all zero", STATED, Code.MISSING_GEOMETRY)
def zero_orientation(folder: Path) -> list[Truth]:
    return _with_orientation(folder, [0] * 6)


@fault("orientation of vectors of length 2", STATED, Code.MISSING_GEOMETRY)
def long_orientation(folder: Path) -> list[Truth]:
    return _with_orientation(folder, [2, 0, 0, 0, 2, 0])


@fault("orientation of vectors 60 degrees apart", STATED, Code.MISSING_GEOMETRY)
def skew_orientation(folder: Path) -> list[Truth]:
    return _with_orientation(folder, [1, 0, 0, 0.5, 0.8660254, 0])


def _with_orientation(folder: Path, orientation: list[float]) -> list[Truth]:
    slices = a_stack()
    for piece in slices:
        piece.ImageOrientationPatient = orientation
    save_all(folder, slices)
    return []


@fault("no orientation", STATED, Code.MISSING_GEOMETRY)
def no_orientation(folder: Path) -> list[Truth]:
    slices = a_stack()
    for piece in slices:
        del piece.ImageOrientationPatient
    save_all(folder, slices)
    return []


@fault("no pixel spacing", STATED, Code.MISSING_GEOMETRY)
def no_pixel_spacing(folder: Path) -> list[Truth]:
    slices = a_stack()
    for piece in slices:
        del piece.PixelSpacing
    save_all(folder, slices)
    return []


@fault("coronal series whose slices run from back to front", STATED)
def coronal_backwards(folder: Path) -> list[Truth]:
    slices = a_stack(a_series(orientation=CORONAL))
    truth = true_volume(slices)
    for k, piece in enumerate(slices):
        piece.InstanceNumber = 8 - k
    save_all(folder, slices[::-1])
    return [truth]
