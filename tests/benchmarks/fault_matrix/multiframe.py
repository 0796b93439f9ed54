"""Files that hold many slices: enhanced images and Siemens mosaics."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from tests.benchmarks.fault_matrix.truth import (
    Truth,
    a_series,
    a_stack,
    fault,
    stored,
    true_volume,
)
from tests.makers import a_uid, save_dicom

from voxray.core.findings import FindingCode as Code

FRAMES = "Files of many slices"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"


def _item(**elements: Any) -> Items:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return Items([item])


def enhanced(slices: Sequence[Dataset], sop_class: str = ENHANCED_MR) -> Dataset:
    """One enhanced multi-frame file with the slices as frames, in the order given.

    The stack position of each frame says its place; the echo time its own group.
    """
    file = Dataset()
    file.update(a_stack()[0])
    file.file_meta = a_stack()[0].file_meta
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "SliceThickness",
    ):
        delattr(file, keyword)
    file.SOPClassUID, file.SOPInstanceUID = sop_class, a_uid("enhanced", len(slices))
    file.Modality = "CT" if sop_class == ENHANCED_CT else "MR"
    file.NumberOfFrames = len(slices)
    file.SharedFunctionalGroupsSequence = _item(
        PixelMeasuresSequence=_item(
            PixelSpacing=slices[0].PixelSpacing, SliceThickness=2
        ),
        PlaneOrientationSequence=_item(
            ImageOrientationPatient=slices[0].ImageOrientationPatient
        ),
    )
    organization = a_uid("dimensions")
    file.DimensionOrganizationSequence = _item(DimensionOrganizationUID=organization)
    file.DimensionIndexSequence = _item(
        DimensionOrganizationUID=organization,
        DimensionIndexPointer=0x00209057,
        FunctionalGroupPointer=0x00209111,
    )
    levels = sorted({float(piece.ImagePositionPatient[2]) for piece in slices})
    file.PerFrameFunctionalGroupsSequence = Items(
        [_frame(piece, levels) for piece in slices]
    )
    file.PixelData = b"".join(piece.PixelData for piece in slices)
    return file


def _frame(piece: Dataset, levels: list[float]) -> Dataset:
    position = levels.index(float(piece.ImagePositionPatient[2])) + 1
    frame = Dataset()
    frame.FrameContentSequence = _item(
        StackID="1", InStackPositionNumber=position, DimensionIndexValues=[position]
    )
    frame.PlanePositionSequence = _item(ImagePositionPatient=piece.ImagePositionPatient)
    if "EchoTime" in piece:
        frame.MREchoSequence = _item(EffectiveEchoTime=float(piece.EchoTime))
    if "RescaleSlope" in piece:
        frame.PixelValueTransformationSequence = _item(
            RescaleSlope=piece.RescaleSlope,
            RescaleIntercept=piece.RescaleIntercept,
            RescaleType="US",
        )
    return frame


@fault("enhanced MR", FRAMES)
def enhanced_mr(folder: Path) -> list[Truth]:
    slices = a_stack()
    save_dicom(enhanced(slices), folder / "IM1.dcm")
    return [true_volume(slices)]


@fault("enhanced CT, another rescale in every frame", FRAMES)
def enhanced_ct(folder: Path) -> list[Truth]:
    slices = a_stack()
    truth = true_volume(slices)
    for k, piece in enumerate(slices):
        values = stored(piece)
        piece.RescaleSlope, piece.RescaleIntercept = 0.5 * (1 + k % 2), -100
        raw = np.rint((values + 100) / float(piece.RescaleSlope))
        piece.PixelData = raw.astype(np.int16).tobytes()
    save_dicom(enhanced(slices, ENHANCED_CT), folder / "IM1.dcm")
    return [truth]


@fault("enhanced MR, frames out of order", FRAMES)
def enhanced_shuffled(folder: Path) -> list[Truth]:
    slices = a_stack()
    shuffled = [slices[k] for k in (5, 2, 7, 0, 3, 6, 1, 4)]
    save_dicom(enhanced(shuffled), folder / "IM1.dcm")
    return [true_volume(slices)]


@fault("enhanced MR, a frame missing inside", FRAMES, Code.MISSING_SLICE)
def enhanced_missing(folder: Path) -> list[Truth]:
    slices = a_stack()
    del slices[3]
    save_dicom(enhanced(slices), folder / "IM1.dcm")
    return []


@fault("enhanced MR, two echoes in turns", FRAMES, Code.SPLIT_SERIES)
def enhanced_echoes(folder: Path) -> list[Truth]:
    stacks = [
        a_stack(a_series(extra={"EchoTime": time}), offset)
        for time, offset in ((10, 0), (90, 900))
    ]
    in_turns = [piece for pair in zip(*stacks, strict=True) for piece in pair]
    save_dicom(enhanced(in_turns), folder / "IM1.dcm")
    return [true_volume(stack) for stack in stacks]


@fault("enhanced MR without positions", FRAMES, Code.UNSUPPORTED_IMAGE,
       Code.MISSING_GEOMETRY)  # fmt: skip
def enhanced_unplaced(folder: Path) -> list[Truth]:
    file = enhanced(a_stack())
    for frame in file.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence
    save_dicom(file, folder / "IM1.dcm")
    return []


@fault("Siemens mosaic", FRAMES)
def mosaic(folder: Path) -> list[Truth]:
    slices = a_stack(a_series(rows=16, columns=16))
    save_dicom(siemens_mosaic(slices), folder / "IM1.dcm")
    return [true_volume(slices)]


@fault("Siemens mosaics of three times", FRAMES, Code.SPLIT_SERIES)
def mosaic_times(folder: Path) -> list[Truth]:
    truths = []
    for n in range(3):
        slices = a_stack(a_series(rows=16, columns=16), 900 * n)
        file = siemens_mosaic(slices)
        file.SOPInstanceUID, file.InstanceNumber = a_uid("mosaic", n), n + 1
        file.AcquisitionNumber = n + 1
        file.AcquisitionTime = f"1200{2 * n:02d}.0000"
        save_dicom(file, folder / f"IM{n}.dcm")
        truths.append(true_volume(slices))
    return truths


def siemens_mosaic(slices: Sequence[Dataset]) -> Dataset:
    """Up to nine slices as tiles of one plane, with the CSA header that tells them."""
    tiles = np.zeros((3, 3, slices[0].Rows, slices[0].Columns), np.int16)
    for k, piece in enumerate(slices):
        tiles[k // 3, k % 3] = stored(piece)
    file = a_stack(a_series(rows=48, columns=48))[0]
    file.PixelData = tiles.transpose(0, 2, 1, 3).reshape(48, 48).tobytes()
    file.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    file.Manufacturer, file.MagneticFieldStrength = "SIEMENS", 3
    file.SpacingBetweenSlices, file.SoftwareVersions = 2, "syngo MR B17"
    x, y, z = map(float, slices[0].ImagePositionPatient)
    rows, columns = map(float, slices[0].PixelSpacing)
    # The position in the header is that of a plane of the size of the mosaic.
    file.ImagePositionPatient = [x - 16 * columns, y - 16 * rows, z]
    block = file.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0A, "US", len(slices))
    block = file.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x08, "CS", "IMAGE NUM 4")
    block.add_new(0x10, "OB", _csa({
        "NumberOfImagesInMosaic": ("US", [str(len(slices))]),
        "SliceNormalVector": ("FD", ["0.0", "0.0", "1.0"]),
        "ProtocolSliceNumber": ("IS", ["0"]),
        "PhaseEncodingDirectionPositive": ("IS", ["1"]),
        "BandwidthPerPixelPhaseEncode": ("FD", ["20.0"]),
    }))  # fmt: skip
    return file


def _csa(elements: dict[str, tuple[str, list[str]]]) -> bytes:
    """A header of the CSA2 kind, as nibabel and dcm2niix read it."""
    parts = [b"SV10\x04\x03\x02\x01", struct.pack("<ii", len(elements), 77)]
    for name, (vr, values) in elements.items():
        n_items = max(6, len(values))
        head = (name.encode(), len(values), vr.encode(), 0, n_items, 77)
        parts.append(struct.pack("<64si4siii", *head))
        for k in range(n_items):
            text = values[k].encode() + b"\0" if k < len(values) else b""
            padded = text + b"\0" * (-len(text) % 4)
            parts.append(struct.pack("<iiii", len(text), len(text), 77, len(text)))
            parts.append(padded)
    return b"".join(parts)
