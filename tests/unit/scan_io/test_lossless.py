"""One scan has one pixel hash, in whatever lossless way it is stored."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.frame_makers import an_enhanced
from tests.makers import (
    Series,
    a_slice,
    compressed,
    nifti_source,
    save_dicom,
    write_nifti,
    write_series,
)
from voxray.core.hashing import sha256_pixels
from voxray.core.records import FileFormat, ScanId, ScanSource
from voxray.scan_io import encode_png, read_volume

UNSIGNED = np.random.default_rng(3).integers(0, 4096, (4, 48, 40), np.uint16)
CT = Series(
    modality="CT",
    voxels=UNSIGNED,
    slope=1,
    intercept=-1024,
    spacing_mm=(0.75, 0.5, 2.0),
    origin_lps_mm=(-20.0, 15.0, 7.0),
    extra={"BitsStored": 12, "HighBit": 11},
)
SIGNED = replace(
    CT,
    voxels=(UNSIGNED.astype(np.int16) - 1024),
    intercept=0,
    extra={"BitsStored": 16, "HighBit": 15},
)

Write = Callable[[Dataset, Path], Path]


def pixel_hash(source: ScanSource) -> str:
    volume = read_volume(source)
    return sha256_pixels(volume.voxels, volume.grid)


def hash_of_series(folder: Path, write: Write, series: Series = CT) -> str:
    n_slices = len(series.stored())
    folder.mkdir(parents=True, exist_ok=True)
    files = [write(a_slice(series, k), folder / f"{k}.dcm") for k in range(n_slices)]
    return pixel_hash(series.source(files))


def hash_of_frames(folder: Path, write: Write, series: Series = CT) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = write(an_enhanced(series), folder / "all.dcm")
    frames = tuple(range(len(series.stored())))
    return pixel_hash(replace(series.source([path] * len(frames)), frames=frames))


def encoded_as(syntax: UID) -> Write:
    def write(dataset: Dataset, path: Path) -> Path:
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            swapped = np.frombuffer(dataset.PixelData, "<u2").byteswap()
            dataset.PixelData = swapped.tobytes()
        return save_dicom(dataset, path)

    return write


def compressed_as(syntax: UID) -> Write:
    return lambda dataset, path: save_dicom(compressed(dataset, syntax), path)


def by_dcmtk(command: str, *options: str) -> Write:
    """With a program of dcmtk; CI installs it."""

    def write(dataset: Dataset, path: Path) -> Path:
        if shutil.which(command) is None:
            pytest.skip(f"needs {command} (Debian package dcmtk)")
        plain = save_dicom(dataset, path.with_suffix(".plain"))
        subprocess.run([command, *options, plain, path], check=True)
        return path

    return write


def as_high_throughput(dataset: Dataset, path: Path) -> Path:
    """With ojph_compress of OpenJPH; CI installs it."""
    if shutil.which("ojph_compress") is None:
        pytest.skip("needs ojph_compress (Debian package openjph-tools)")
    n_frames = int(dataset.get("NumberOfFrames", 1))
    shape = n_frames, dataset.Rows, dataset.Columns
    streams = []
    for frame in np.frombuffer(dataset.PixelData, "<u2").reshape(shape):
        picture, stream = path.with_suffix(".pgm"), path.with_suffix(".j2c")
        head = f"P5 {frame.shape[1]} {frame.shape[0]} 4095\n".encode()
        picture.write_bytes(head + frame.astype(">u2").tobytes())
        names = ["-i", str(picture), "-o", str(stream)]
        command = ["ojph_compress", *names, "-reversible", "true"]
        subprocess.run(command, check=True, capture_output=True)
        streams.append(stream.read_bytes())
    dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
    return save_dicom(dataset, path)


WAYS: dict[str, Write] = {
    "implicit": encoded_as(ImplicitVRLittleEndian),
    "big endian": encoded_as(ExplicitVRBigEndian),
    "deflated": encoded_as(DeflatedExplicitVRLittleEndian),
    "RLE": compressed_as(RLELossless),
    "JPEG-LS": compressed_as(JPEGLSLossless),
    "JPEG 2000": compressed_as(JPEG2000Lossless),
    "JPEG lossless": by_dcmtk("dcmcjpeg", "+el"),
    "JPEG lossless SV1": by_dcmtk("dcmcjpeg", "+e1"),
    "JPEG-LS by dcmtk": by_dcmtk("dcmcjpls"),
    "HTJ2K": as_high_throughput,
}


@pytest.mark.parametrize("way", WAYS)
def test_slices_have_one_hash_in_every_lossless_syntax(tmp_path, way):
    plain = hash_of_series(tmp_path / "plain", encoded_as(ExplicitVRLittleEndian))

    assert hash_of_series(tmp_path / "other", WAYS[way]) == plain


@pytest.mark.parametrize("way", WAYS)
def test_frames_have_the_hash_of_slices_in_every_lossless_syntax(tmp_path, way):
    plain = hash_of_series(tmp_path / "plain", encoded_as(ExplicitVRLittleEndian))

    assert hash_of_frames(tmp_path / "other", WAYS[way]) == plain


@pytest.mark.parametrize("way", ["RLE", "JPEG-LS", "JPEG 2000", "JPEG lossless SV1"])
def test_signed_values_have_the_hash_of_unsigned_ones(tmp_path, way):
    plain = hash_of_series(tmp_path / "plain", encoded_as(ExplicitVRLittleEndian))

    assert hash_of_series(tmp_path / "other", WAYS[way], SIGNED) == plain


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".hdr"])
def test_nifti_has_the_hash_of_the_series_it_was_made_from(tmp_path, suffix):
    volume = read_volume(CT.source(write_series(tmp_path / "d", CT)))

    stored = volume.voxels.astype(np.int16)
    kind = nib.Nifti1Pair if suffix == ".hdr" else nib.Nifti1Image
    path = write_nifti(tmp_path / f"s{suffix}", stored, volume.grid.affine, kind=kind)

    plain = sha256_pixels(volume.voxels, volume.grid)
    assert pixel_hash(nifti_source(path)) == plain


def test_picture_has_the_hash_of_the_radiograph_it_was_made_from(tmp_path):
    voxels = UNSIGNED[:1].astype(np.uint8)
    extra = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    radiograph = Series(modality="DX", voxels=voxels, spacing_mm=(1, 1, 1), extra=extra)
    png = tmp_path / "a.png"
    png.write_bytes(encode_png(voxels[0]))

    picture = ScanSource(ScanId("s"), FileFormat.PICTURE, (png,))
    files = write_series(tmp_path, radiograph)
    assert pixel_hash(picture) == pixel_hash(radiograph.source(files))
