"""Faults of how grey values are stored."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from tests.benchmarks.fault_matrix.truth import (
    Truth,
    a_series,
    a_stack,
    fault,
    save_all,
    stored,
    true_volume,
)
from tests.makers import compressed, save_without_preamble

from voxray.core.findings import FindingCode as Code

GREY = "Grey values"
SYNTAX = "Encodings"
_Change = Callable[[Dataset, NDArray[np.float64]], None]


def _changed(folder: Path, slices: Sequence[Dataset], change: _Change) -> list[Truth]:
    """Store every slice in another way; the true values stay."""
    truth = true_volume(slices)
    for piece in slices:
        change(piece, stored(piece))
    save_all(folder, slices)
    return [truth]


def _put(piece: Dataset, values: NDArray[np.generic]) -> None:
    piece.PixelData = np.ascontiguousarray(values).tobytes()
    piece.BitsAllocated = piece.BitsStored = 8 * values.dtype.itemsize
    piece.HighBit = piece.BitsStored - 1
    piece.PixelRepresentation = int(values.dtype.kind == "i")
    piece["PixelData"].VR = "OB" if piece.BitsAllocated == 8 else "OW"


@fault("signed CT with a rescale", GREY)
def rescaled(folder: Path) -> list[Truth]:
    def change(piece: Dataset, values: NDArray[np.float64]) -> None:
        piece.RescaleSlope, piece.RescaleIntercept = 1, -1024
        _put(piece, (values + 1024).astype(np.int16))

    stack = a_stack(a_series(modality="CT", extra={"ImagesInAcquisition": 8}), -700)
    return _changed(folder, stack, change)


@fault("another slope in every slice (as in PET)", GREY)
def slopes_differ(folder: Path) -> list[Truth]:
    def change(piece: Dataset, values: NDArray[np.float64]) -> None:
        slope = 0.05 * (1 + int(piece.InstanceNumber) % 4)
        piece.RescaleSlope, piece.RescaleIntercept = slope, 0
        _put(piece, np.rint(values / slope).astype(np.uint16))

    return _changed(folder, a_stack(), change)


@fault("rescale only in some slices", GREY)
def slopes_in_some(folder: Path) -> list[Truth]:
    def change(piece: Dataset, values: NDArray[np.float64]) -> None:
        if int(piece.InstanceNumber) % 2:
            piece.RescaleSlope, piece.RescaleIntercept = 0.5, 100
            _put(piece, np.rint((values - 100) / 0.5).astype(np.int16))

    return _changed(folder, a_stack(), change)


@fault("MONOCHROME1: dark stored as high (MR)", GREY, Code.INVERTED_GREY)
def monochrome1(folder: Path) -> list[Truth]:
    def change(piece: Dataset, values: NDArray[np.float64]) -> None:
        piece.PhotometricInterpretation = "MONOCHROME1"
        _put(piece, (4095 - values).astype(np.uint16))
        piece.BitsStored, piece.HighBit = 12, 11

    truths = _changed(folder, a_stack(), change)
    return [replace(truth, any_zero=True) for truth in truths]


@fault("12 of 16 bits, overlay in the others", GREY)
def overlay_bits(folder: Path) -> list[Truth]:
    def change(piece: Dataset, values: NDArray[np.float64]) -> None:
        raw = values.astype(np.uint16)
        raw[2:5, 3:7] |= 0xF000
        _put(piece, raw)
        piece.BitsStored, piece.HighBit = 12, 11

    return _changed(folder, a_stack(), change)


@fault("signed 12 of 16 bits, sign not extended", GREY)
def sign_not_extended(folder: Path) -> list[Truth]:
    def change(piece: Dataset, values: NDArray[np.float64]) -> None:
        _put(piece, values.astype(np.int16) & 0x0FFF)
        piece.BitsStored, piece.HighBit = 12, 11

    return _changed(folder, a_stack(offset=-800), change)


@fault("modality lookup table that is no line", GREY)
def modality_table(folder: Path) -> list[Truth]:
    def change(piece: Dataset, values: NDArray[np.float64]) -> None:
        table = Dataset()
        numbers = np.arange(2048, dtype=np.uint16)[::-1]
        table.add_new("LUTDescriptor", "US", [2048, 0, 16])
        table.ModalityLUTType = "US"
        table.add_new("LUTData", "OW", numbers.tobytes())
        piece.ModalityLUTSequence = Items([table])
        _put(piece, (2047 - values).astype(np.uint16))

    return _changed(folder, a_stack(), change)


@fault("palette colour that is grey", GREY, Code.UNSUPPORTED_IMAGE, Code.COLOUR_TO_GREY)
def palette(folder: Path) -> list[Truth]:
    def change(piece: Dataset, values: NDArray[np.float64]) -> None:
        table = ((np.arange(256) ^ 0xFF) * 257).astype(np.uint16)
        piece.PhotometricInterpretation = "PALETTE COLOR"
        for name in ("Red", "Green", "Blue"):
            descriptor = f"{name}PaletteColorLookupTableDescriptor"
            piece.add_new(descriptor, "US", [256, 0, 16])
            piece.add_new(f"{name}PaletteColorLookupTableData", "OW", table.tobytes())
        _put(piece, values.astype(np.uint8) ^ 0xFF)

    return _changed(folder, _dark_stack(), change)


def _dark_stack() -> list[Dataset]:
    """A stack whose values fit into 8 bits."""
    return a_stack(a_series(n_slices=6), offset=-660)


@fault("RGB slices", GREY, Code.UNSUPPORTED_IMAGE, Code.COLOUR_TO_GREY)
def colour_slices(folder: Path) -> list[Truth]:
    def change(piece: Dataset, values: NDArray[np.float64]) -> None:
        grey = values.astype(np.uint8)
        _put(piece, np.stack([grey] * 3, axis=-1))
        piece.SamplesPerPixel, piece.PlanarConfiguration = 3, 0
        piece.PhotometricInterpretation = "RGB"

    return _changed(folder, _dark_stack(), change)


@fault("padding value outside the field of view", GREY, Code.PADDING_VALUE)
def padding(folder: Path) -> list[Truth]:
    slices = a_stack(a_series(modality="CT", extra={"ImagesInAcquisition": 8}), -700)
    for piece in slices:
        values = stored(piece).astype(np.int16)
        values[:2, :3] = -2000
        piece.add_new("PixelPaddingValue", "SS", -2000)
        _put(piece, values)
    save_all(folder, slices)
    return [true_volume(slices)]


@fault("float pixel data with NaN", GREY, Code.NOT_FINITE, Code.UNSUPPORTED_IMAGE,
       Code.UNDECODABLE_PIXELS)  # fmt: skip
def float_nan(folder: Path) -> list[Truth]:
    slices = a_stack()
    for piece in slices:
        values = stored(piece).astype(np.float32)
        values[3, 4] = np.nan
        del piece.PixelData
        piece.BitsAllocated, piece.FloatPixelData = 32, values.tobytes()
        for keyword in ("BitsStored", "HighBit", "PixelRepresentation"):
            delattr(piece, keyword)
    save_all(folder, slices)
    return []


def _in_syntax(folder: Path, syntax: UID) -> list[Truth]:
    slices = a_stack(a_series(rows=40, columns=48))  # JPEG 2000 needs 32 at least
    truth = true_volume(slices)
    for piece in slices:
        if syntax.is_encapsulated:
            compressed(piece, syntax)
        if syntax == ExplicitVRBigEndian:
            piece.PixelData = stored(piece).astype(">i2").tobytes()
        piece.file_meta.TransferSyntaxUID = syntax
    save_all(folder, slices)
    return [truth]


@fault("implicit VR", SYNTAX)
def implicit_vr(folder: Path) -> list[Truth]:
    return _in_syntax(folder, ImplicitVRLittleEndian)


@fault("big endian", SYNTAX)
def big_endian(folder: Path) -> list[Truth]:
    return _in_syntax(folder, ExplicitVRBigEndian)


@fault("deflated", SYNTAX)
def deflated(folder: Path) -> list[Truth]:
    return _in_syntax(folder, DeflatedExplicitVRLittleEndian)


@fault("RLE", SYNTAX)
def rle(folder: Path) -> list[Truth]:
    return _in_syntax(folder, RLELossless)


@fault("JPEG-LS", SYNTAX)
def jpeg_ls(folder: Path) -> list[Truth]:
    return _in_syntax(folder, JPEGLSLossless)


@fault("JPEG 2000", SYNTAX)
def jpeg_2000(folder: Path) -> list[Truth]:
    return _in_syntax(folder, JPEG2000Lossless)


@fault("JPEG lossless", SYNTAX)
def jpeg_lossless(folder: Path) -> list[Truth]:
    slices = a_stack()
    truth = true_volume(slices)
    for piece in slices:
        piece.PixelData = encapsulate([_jpeg_lossless(stored(piece))])
        piece["PixelData"].VR, piece["PixelData"].is_undefined_length = "OB", True
        piece.PixelRepresentation = 0
        piece.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    save_all(folder, slices)
    return [truth]


def _jpeg_lossless(values: NDArray[np.float64]) -> bytes:
    """A plane as JPEG process 14, which SimpleITK can write and pydicom cannot."""
    import tempfile

    import pydicom
    import SimpleITK as sitk  # noqa: N813

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dcm"
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(path))
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG")
        writer.Execute(sitk.GetImageFromArray(values.astype(np.uint16)))
        written = pydicom.dcmread(path)
    assert written.file_meta.TransferSyntaxUID == JPEGLosslessSV1
    return next(generate_frames(written.PixelData, number_of_frames=1))


@fault("no preamble, no meta information", SYNTAX)
def no_preamble(folder: Path) -> list[Truth]:
    slices = a_stack()
    for k, piece in enumerate(slices):
        save_without_preamble(piece, folder / f"IM{k:03d}")
    return [true_volume(slices)]
