"""The real files that `fuzz_intake.py` damages."""

import gzip
import lzma
import tarfile
import warnings
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from tests.makers import (
    Series,
    a_slice,
    compressed,
    save_dicom,
    save_without_preamble,
    write_mask,
    write_nifti,
)
from tests.mask_makers import a_seg, a_structure_set, full_slices, square

_LARGEST_BYTES = 150_000


def real_files(folder: Path) -> list[tuple[str, bytes]]:
    """Name and content of every file, in a fixed order.

    Args:
        folder: Where files are made that have to be made.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _write_dicom(folder)
        _write_masks(folder)
        _write_others(folder)
    shipped = sorted(
        {Path(name) for name in get_testdata_files() if Path(name).is_file()}
    )
    made = sorted(path for path in folder.rglob("*") if path.is_file())
    found = [(path.name, path.read_bytes()) for path in [*made * 3, *shipped]]
    return [
        (name, content) for name, content in found if 0 < len(content) < _LARGEST_BYTES
    ]


def _write_dicom(folder: Path) -> None:
    for syntax in (
        ImplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLSLossless,
        JPEG2000Lossless,
    ):
        dataset = a_slice(Series(rows=16, columns=12), 0)
        if syntax.is_encapsulated:
            try:
                compressed(dataset, syntax)
            except RuntimeError:  # no encoder for it on this machine
                continue
        dataset.file_meta.TransferSyntaxUID = syntax
        save_dicom(dataset, folder / f"{syntax.keyword}.dcm")
    plain = save_dicom(a_slice(Series(slope=2, intercept=-5), 0), folder / "plain.dcm")
    (folder / "plain.dcm.gz").write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    save_without_preamble(a_slice(Series(), 0), folder / "old")
    save_dicom(_enhanced(), folder / "enhanced.dcm")
    save_dicom(_mosaic(), folder / "mosaic.dcm")


def _write_masks(folder: Path) -> None:
    """On a scan of 6 x 8 x 5 voxels, which is that of `fuzz_readers`."""
    slices = full_slices(Series())
    labels = np.zeros((5, 8, 6), np.uint8)
    labels[1:4, 2:6, 1:5] = 1
    for kind in ("BINARY", "FRACTIONAL", "LABELMAP"):
        save_dicom(a_seg(slices, labels, kind=kind), folder / f"seg_{kind}.dcm")
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    contours = [square((0.5, 1.5), (4.5, 6.5), k, affine) for k in (1, 2)]
    drawn = a_structure_set(slices[0], {"lesion": contours}, images=slices)
    save_dicom(drawn, folder / "rtstruct.dcm")
    write_mask(folder / "mask.nii.gz")


def _enhanced() -> Dataset:
    dataset = a_slice(Series(), 0)
    planes = np.arange(3 * 8 * 6, dtype=np.int16)
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    dataset.NumberOfFrames = 3
    dataset.PixelData = planes.tobytes()
    measures, orientation = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1, 1], 2
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([orientation])
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for k in range(3):
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, 2 * k]
        frame.PlanePositionSequence = Sequence([position])
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(dataset, keyword)
    return dataset


def _mosaic() -> Dataset:
    dataset = a_slice(Series(rows=16, columns=16), 0)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]
    dataset.Manufacturer = "SIEMENS"
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0A, "US", 4)
    block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", b"SV10\x04\x03\x02\x01\x02\0\0\0M\0\0\0" + bytes(400))
    return dataset


def _write_others(folder: Path) -> None:
    write_nifti(folder / "a.nii")
    write_nifti(folder / "b.nii.gz")
    write_nifti(folder / "c.nii", kind=nib.Nifti2Image)
    write_nifti(folder / "d.nii", np.zeros((4, 5, 3, 2), np.float32))
    grey = np.arange(400, dtype=np.uint8).reshape(20, 20)
    for name in ("p.png", "q.jpg"):
        Image.fromarray(grey).save(folder / name)
    Image.fromarray(grey.astype(np.uint16) * 200).save(folder / "r.png")
    with zipfile.ZipFile(folder / "z.zip", "w") as archive:
        archive.write(folder / "plain.dcm", "study/IM1")
    with zipfile.ZipFile(folder / "d.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "p.png", "study/p.png")
        archive.write(folder / "b.nii.gz", "study/b.nii.gz")
    with tarfile.open(folder / "t.tar", "w") as packed:
        packed.add(folder / "plain.dcm", "study/IM1")
    content = (folder / "t.tar").read_bytes()
    (folder / "t.tar.gz").write_bytes(gzip.compress(content, mtime=0))
    (folder / "t.tar.xz").write_bytes(lzma.compress(content))
