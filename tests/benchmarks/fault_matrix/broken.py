"""Damaged files, archives, and NIfTI files."""

import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RLELossless
from tests.benchmarks.fault_matrix.truth import (
    LPS_TO_RAS,
    Array,
    Truth,
    a_series,
    a_stack,
    fault,
    field_at,
    save_all,
    true_volume,
)
from tests.makers import compressed, truncate, write_nifti

from voxray.core.findings import FindingCode as Code

DAMAGED = "Damaged files"
PACKED = "Archives"
NIFTI = "NIfTI"
_UNDECODABLE = (Code.UNDECODABLE_PIXELS, Code.TRUNCATED_FILE)


def _save(folder: Path, slices: Sequence[Dataset]) -> list[Path]:
    save_all(folder, slices)
    return sorted(folder.iterdir())


@fault("a file cut off in its pixels", DAMAGED, Code.TRUNCATED_FILE)
def cut_pixels(folder: Path) -> list[Truth]:
    truncate(_save(folder, a_stack())[3], 0.9)
    return []


@fault("a file cut off in its header", DAMAGED, Code.UNREADABLE_FILE,
       Code.TRUNCATED_FILE, Code.MISSING_SLICE)  # fmt: skip
def cut_header(folder: Path) -> list[Truth]:
    truncate(_save(folder, a_stack())[3], 0.3)
    return []


@fault("a file of no bytes in place of a slice", DAMAGED, Code.MISSING_SLICE)
def empty_file(folder: Path) -> list[Truth]:
    _save(folder, a_stack())[3].write_bytes(b"")
    return []


@fault("the last file of no bytes", DAMAGED, Code.NOT_AN_IMAGE)
def empty_last_file(folder: Path) -> list[Truth]:
    _save(folder, a_stack())[-1].write_bytes(b"")
    return []


@fault("more rows declared than stored", DAMAGED, Code.TRUNCATED_FILE)
def too_many_rows(folder: Path) -> list[Truth]:
    slices = a_stack()
    for piece in slices:
        piece.Rows = 20
    _save(folder, slices)
    return []


@fault("fewer rows declared than stored", DAMAGED, *_UNDECODABLE)
def too_few_rows(folder: Path) -> list[Truth]:
    slices = a_stack()
    for piece in slices:
        piece.Rows = 5
    _save(folder, slices)
    return []


@fault("no pixels in one slice", DAMAGED, Code.UNSUPPORTED_IMAGE, Code.MISSING_SLICE,
       Code.TRUNCATED_FILE)  # fmt: skip
def no_pixels(folder: Path) -> list[Truth]:
    slices = a_stack()
    del slices[3].PixelData
    _save(folder, slices)
    return []


def _large_stack() -> list[Dataset]:
    return a_stack(a_series(rows=40, columns=48))


@fault("compressed slice cut off (JPEG 2000)", DAMAGED, *_UNDECODABLE)
def cut_fragment(folder: Path) -> list[Truth]:
    slices = [compressed(piece, JPEG2000Lossless) for piece in _large_stack()]
    code = slices[3].PixelData[16:]
    slices[3].PixelData = encapsulate([code[: len(code) // 2]])
    slices[3]["PixelData"].is_undefined_length = True
    _save(folder, slices)
    return []


@fault("compressed slice cut off (RLE)", DAMAGED, *_UNDECODABLE)
def cut_rle(folder: Path) -> list[Truth]:
    slices = [compressed(piece, RLELossless) for piece in a_stack()]
    code = slices[3].PixelData[16:]
    slices[3].PixelData = encapsulate([code[: 64 + (len(code) - 64) // 2]])
    slices[3]["PixelData"].is_undefined_length = True
    _save(folder, slices)
    return []


@fault("compressed slice of other bytes", DAMAGED, *_UNDECODABLE)
def wrong_fragment(folder: Path) -> list[Truth]:
    slices = [compressed(piece, JPEG2000Lossless) for piece in _large_stack()]
    slices[3].PixelData = encapsulate([bytes(range(256))])
    slices[3]["PixelData"].is_undefined_length = True
    _save(folder, slices)
    return []


@fault("the series in a zip file", PACKED)
def in_zip(folder: Path) -> list[Truth]:
    slices = a_stack()
    files = _save(folder, slices)
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        for path in files:
            archive.write(path, f"study/{path.name}")
            path.unlink()
    return [true_volume(slices)]


@fault("the series in a tar.gz file", PACKED)
def in_tar(folder: Path) -> list[Truth]:
    slices = a_stack()
    files = _save(folder, slices)
    with tarfile.open(folder / "export.tar.gz", "w:gz") as archive:
        for path in files:
            archive.add(path, f"study/{path.name}")
            path.unlink()
    return [true_volume(slices)]


@fault("the series in a damaged zip file", PACKED, Code.UNSAFE_ARCHIVE,
       Code.UNREADABLE_FILE)  # fmt: skip
def in_damaged_zip(folder: Path) -> list[Truth]:
    in_zip(folder)
    truncate(folder / "export.zip", 0.6)
    return []


def _nifti_truth(offset: float = 0.0) -> Truth:
    affine = np.diag([-1.5, -1.25, 2.0, 1.0])
    affine[:3, 3] = [20, 10, 30]
    return Truth(_at(affine, offset), affine)


def _at(affine: Array, offset: float = 0.0) -> Array:
    index = np.moveaxis(np.indices((10, 12, 8)), 0, -1)
    ras = index @ affine[:3, :3].T + affine[:3, 3]
    return np.rint(field_at(ras @ LPS_TO_RAS[:3, :3], offset))


@fault("plain file", NIFTI)
def nifti_plain(folder: Path) -> list[Truth]:
    truth = _nifti_truth()
    write_nifti(folder / "a.nii.gz", truth.voxels.astype(np.int16), truth.affine)
    return [truth]


@fault("axes that are not at right angles", NIFTI, Code.SHEARED_AFFINE)
def nifti_sheared(folder: Path) -> list[Truth]:
    affine = _nifti_truth().affine.copy()
    affine[1, 2] = 0.8
    path = folder / "a.nii.gz"
    voxels = _at(affine)
    write_nifti(path, voxels.astype(np.int16), affine)
    return [replace(_nifti_truth(), voxels=voxels, affine=affine)]


@fault("three volumes in the fourth axis", NIFTI, Code.SPLIT_SERIES)
def nifti_4d(folder: Path) -> list[Truth]:
    truths = [_nifti_truth(900 * n) for n in range(3)]
    voxels = np.stack([t.voxels for t in truths], axis=-1).astype(np.int16)
    write_nifti(folder / "a.nii.gz", voxels, truths[0].affine)
    return truths


@fault("NaN among the voxels", NIFTI, Code.NOT_FINITE)
def nifti_nan(folder: Path) -> list[Truth]:
    voxels = _nifti_truth().voxels.astype(np.float32)
    voxels[3, 4, 5] = np.nan
    write_nifti(folder / "a.nii.gz", voxels, _nifti_truth().affine)
    return []


@fault("no place stated (both codes 0)", NIFTI, Code.MISSING_GEOMETRY, Code.NO_GEOMETRY)
def nifti_unplaced(folder: Path) -> list[Truth]:
    import nibabel as nib

    truth = _nifti_truth()
    image = nib.Nifti1Image(truth.voxels.astype(np.int16), truth.affine)
    image.set_sform(truth.affine, code=0)
    image.set_qform(truth.affine, code=0)
    image.to_filename(folder / "a.nii.gz")
    return []


@fault("sform and qform 12 mm apart", NIFTI, Code.NO_GEOMETRY)
def nifti_two_places(folder: Path) -> list[Truth]:
    import nibabel as nib

    truth = _nifti_truth()
    other = truth.affine.copy()
    other[1, 3] += 12
    image = nib.Nifti1Image(truth.voxels.astype(np.int16), truth.affine)
    image.set_sform(truth.affine, code=2)
    image.set_qform(other, code=1)
    image.to_filename(folder / "a.nii.gz")
    return []


@fault("a file cut off", NIFTI, Code.TRUNCATED_FILE)
def nifti_cut(folder: Path) -> list[Truth]:
    truth = _nifti_truth()
    path = write_nifti(folder / "a.nii", truth.voxels.astype(np.int16), truth.affine)
    truncate(path, 0.7)
    return []
