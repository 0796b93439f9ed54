"""Faults of slices that contradict each other, or themselves."""

from pathlib import Path

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from tests.benchmarks.fault_matrix.multiframe import enhanced
from tests.benchmarks.fault_matrix.truth import (
    Truth,
    a_series,
    a_stack,
    fault,
    paint,
    save_all,
    stored,
    true_volume,
)
from tests.makers import CORONAL, a_uid, save_dicom

from voxray.core.findings import FindingCode as Code

AMONG = "Slices that contradict each other"
ITSELF = "Headers that contradict themselves"
_POSITION = Tag("ImagePositionPatient")


def _said(piece: Dataset, tag: int, vr: str, text: str) -> None:
    """Put a value as it stands in a file, whatever the rules say."""
    raw = text.encode() + b" " * (len(text) % 2)
    piece._dict[Tag(tag)] = RawDataElement(Tag(tag), vr, len(raw), raw, 0, False, True)


@fault("two frames of reference in one series", AMONG, Code.CONFLICTING_SLICES)
def two_frames_of_reference(folder: Path) -> list[Truth]:
    slices = a_stack()
    for piece in slices[4:]:
        piece.FrameOfReferenceUID = a_uid("another frame")
    save_all(folder, slices)
    return []


@fault("one slice turned in its plane by 3 degrees", AMONG, Code.MIXED_ORIENTATION)
def one_turned(folder: Path) -> list[Truth]:
    slices = a_stack()
    cosine, sine = (float(f(np.radians(3))) for f in (np.cos, np.sin))
    slices[4].ImageOrientationPatient = [cosine, sine, 0, -sine, cosine, 0]
    paint(slices[4])
    save_all(folder, slices)
    return []


@fault("slices that fan out from an axis (radial)", AMONG, Code.MIXED_ORIENTATION)
def radial(folder: Path) -> list[Truth]:
    slices = a_stack()
    for k, piece in enumerate(slices):
        cosine, sine = (float(f(np.radians(20 * k))) for f in (np.cos, np.sin))
        piece.ImageOrientationPatient = [cosine, sine, 0, 0, 0, 1]
        paint(piece)
    save_all(folder, slices)
    return []


@fault("signed in some slices, unsigned in others", AMONG)
def some_signed(folder: Path) -> list[Truth]:
    slices = a_stack()
    truth = true_volume(slices)
    for piece in slices[::2]:
        piece.PixelRepresentation = 0
    save_all(folder, slices)
    return [truth]


@fault("MONOCHROME1 in some slices", AMONG, Code.INVERTED_GREY)
def some_inverted(folder: Path) -> list[Truth]:
    slices = a_stack()
    for piece in slices:
        piece.PixelRepresentation, piece.BitsStored, piece.HighBit = 0, 12, 11
    truth = true_volume(slices)
    for piece in slices[::2]:
        piece.PhotometricInterpretation = "MONOCHROME1"
        piece.PixelData = (4095 - stored(piece)).astype(np.uint16).tobytes()
    save_all(folder, slices)
    return [truth]


@fault("8 bits in some slices, 16 in others", AMONG)
def some_of_8_bits(folder: Path) -> list[Truth]:
    slices = a_stack(a_series(n_slices=6), offset=-660)
    truth = true_volume(slices)
    for piece in slices[::2]:
        piece.PixelData = stored(piece).astype(np.uint8).tobytes()
        piece.BitsAllocated, piece.BitsStored, piece.HighBit = 8, 8, 7
        piece.PixelRepresentation = 0
        piece["PixelData"].VR = "OB"
    save_all(folder, slices)
    return [truth]


@fault("one SOPInstanceUID in all files", AMONG)
def one_instance_uid(folder: Path) -> list[Truth]:
    slices = a_stack(a_series(extra={"SOPInstanceUID": a_uid("the only one")}))
    save_all(folder, slices)
    return [true_volume(slices)]


@fault("two studies that share a series UID", AMONG, Code.SPLIT_SERIES,
       Code.CONFLICTING_SLICES)  # fmt: skip
def two_studies(folder: Path) -> list[Truth]:
    first, other = a_stack(), a_stack(offset=900)
    for k, piece in enumerate(other):
        piece.StudyInstanceUID, piece.StudyDate = a_uid("other study"), "20210101"
        piece.SOPInstanceUID = a_uid("other study", k)
    save_all(folder, [*first, *other])
    return [true_volume(first), true_volume(other)]


@fault("an axial and a coronal stack in one enhanced file", AMONG, Code.SPLIT_SERIES)
def enhanced_two_stacks(folder: Path) -> list[Truth]:
    stacks = [a_stack(), a_stack(a_series(orientation=CORONAL))]
    file = enhanced([piece for stack in stacks for piece in stack])
    del file.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    pieces = [piece for stack in stacks for piece in stack]
    for frame, piece in zip(file.PerFrameFunctionalGroupsSequence, pieces, strict=True):
        plane = Dataset()
        plane.ImageOrientationPatient = piece.ImageOrientationPatient
        frame.PlaneOrientationSequence = [plane]
    save_dicom(file, folder / "IM1.dcm")
    return [true_volume(stack) for stack in stacks]


@fault("enhanced MR, a frame twice", AMONG, Code.DUPLICATE_SLICE)
def enhanced_double(folder: Path) -> list[Truth]:
    slices = a_stack()
    save_dicom(enhanced([*slices, slices[3]]), folder / "IM1.dcm")
    return [true_volume(slices)]


@fault("enhanced MR, fewer frames stored than stated", ITSELF, Code.TRUNCATED_FILE)
def enhanced_too_few(folder: Path) -> list[Truth]:
    file = enhanced(a_stack())
    file.PixelData = file.PixelData[: len(file.PixelData) // 2]
    save_dicom(file, folder / "IM1.dcm")
    return []


@fault("enhanced MR, fewer frames described than stored", ITSELF,
       Code.UNSUPPORTED_IMAGE, Code.MISSING_GEOMETRY)  # fmt: skip
def enhanced_undescribed(folder: Path) -> list[Truth]:
    file = enhanced(a_stack())
    del file.PerFrameFunctionalGroupsSequence[-2:]
    save_dicom(file, folder / "IM1.dcm")
    return []


@fault("NaN as a position", ITSELF, Code.MISSING_GEOMETRY)
def nan_position(folder: Path) -> list[Truth]:
    return _with_text(folder, _POSITION, "DS", "-20\\-10\\nan")


@fault("decimal commas in a position", ITSELF, Code.MISSING_GEOMETRY)
def comma_position(folder: Path) -> list[Truth]:
    return _with_text(folder, _POSITION, "DS", "-20,0\\-10,0\\34,0")


@fault("two numbers as a position", ITSELF, Code.MISSING_GEOMETRY)
def short_position(folder: Path) -> list[Truth]:
    return _with_text(folder, _POSITION, "DS", "-20\\-10")


@fault("a rescale slope of 0 in one slice", ITSELF, Code.EMPTY_SLICES)
def zero_slope(folder: Path) -> list[Truth]:
    return _with_text(folder, Tag("RescaleSlope"), "DS", "0")


@fault("a rescale slope that is no number", ITSELF, Code.UNDECODABLE_PIXELS)
def odd_slope(folder: Path) -> list[Truth]:
    return _with_text(folder, Tag("RescaleSlope"), "DS", "1,5")


def _with_text(folder: Path, tag: int, vr: str, text: str) -> list[Truth]:
    slices = a_stack()
    _said(slices[2], tag, vr, text)
    save_all(folder, slices)
    return []


@fault("implicit VR, named explicit", ITSELF)
def misnamed_syntax(folder: Path) -> list[Truth]:
    slices = a_stack()
    truth = true_volume(slices)
    for k, piece in enumerate(slices):
        piece.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        path = save_dicom(piece, folder / f"IM{k}")
        right, wrong = (
            uid.encode() + b"\0" * (len(uid) % 2)
            for uid in (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
        )
        content = path.read_bytes()
        at = content.index(b"\x02\x00\x10\x00UI") + 6
        new = len(wrong).to_bytes(2, "little") + wrong
        content = content[:at] + new + content[at + 2 + len(right) :]
        group = int.from_bytes(content[140:144], "little") + len(wrong) - len(right)
        path.write_bytes(content[:140] + group.to_bytes(4, "little") + content[144:])
    return [truth]


@fault("float pixel data", ITSELF)
def float_pixels(folder: Path) -> list[Truth]:
    slices = a_stack()
    truth = true_volume(slices)
    for piece in slices:
        values = stored(piece).astype(np.float32)
        del piece.PixelData
        piece.BitsAllocated, piece.FloatPixelData = 32, values.tobytes()
        for keyword in ("BitsStored", "HighBit", "PixelRepresentation"):
            delattr(piece, keyword)
    save_all(folder, slices)
    return [truth]
