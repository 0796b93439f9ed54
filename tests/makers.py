"""Small makers of real files: DICOM slices and series, NIfTI scans and masks.

Every default is a plain, valid scan; a test changes the one thing that it is about.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
)

from voxray.core.records import FileFormat, ScanId, ScanSource

STORAGE = {"MR": MRImageStorage, "CT": CTImageStorage}
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def a_uid(*words: Any) -> str:
    """A valid UID; the same words give the same UID."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()
    return f"2.25.{int(digest[:24], 16)}"


@dataclass(frozen=True)
class Series:
    """What `write_series` writes. `replace(series, ...)` makes a variant.

    Attributes:
        spacing_mm: Between rows, between columns, between slices.
        origin_lps_mm: ImagePositionPatient of slice 0.
        orientation: Direction along a row, then along a column (LPS).
        slope, intercept: None leaves the rescale out.
        voxels: (slice, row, column) as stored; None makes different slices.
        extra: Any further element, by keyword; None deletes the element.
    """

    name: str = "series1"
    patient: str = "patient1"
    study: str = "study1"
    modality: str = "MR"
    n_slices: int = 5
    rows: int = 8
    columns: int = 6
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 2.0)
    origin_lps_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    orientation: tuple[float, ...] = AXIAL
    slope: float | None = None
    intercept: float | None = None
    voxels: NDArray[Any] | None = None
    seed: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    def stored(self) -> NDArray[Any]:
        """Voxels as (slice, row, column), int16 unless `voxels` says otherwise."""
        if self.voxels is not None:
            return self.voxels
        shape = (self.n_slices, self.rows, self.columns)
        return np.random.default_rng(self.seed).integers(0, 1000, shape, np.int16)

    def source(self, files: list[Path]) -> ScanSource:
        """The files as a scan, in the order given."""
        return ScanSource(ScanId(self.name), FileFormat.DICOM, tuple(files))


def a_slice(series: Series, k: int) -> Dataset:
    """One slice of the series as a data set that `save_dicom` writes."""
    plane = series.stored()[k]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = STORAGE.get(series.modality, MRImageStorage)
    dataset.SOPInstanceUID = a_uid(series.name, k)
    dataset.StudyInstanceUID = a_uid(series.study)
    dataset.SeriesInstanceUID = a_uid(series.study, series.name)
    dataset.FrameOfReferenceUID = a_uid(series.study, "frame")
    dataset.PatientID = series.patient
    dataset.PatientName = f"Test^{series.patient}"
    dataset.Modality = series.modality
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = k + 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    _set_place(dataset, series, k)
    set_pixels(dataset, plane)
    _set_rescale(dataset, series)
    for keyword, value in series.extra.items():
        set_or_delete(dataset, keyword, value)
    return dataset


def set_or_delete(dataset: Dataset, keyword: str, value: Any) -> None:
    """Set an element, or delete it if the value is None."""
    if value is not None:
        setattr(dataset, keyword, value)
    elif keyword in dataset:
        delattr(dataset, keyword)


def _set_place(dataset: Dataset, series: Series, k: int) -> None:
    row, column = np.reshape(series.orientation, (2, 3))
    step = np.cross(row, column) * series.spacing_mm[2]
    position = np.array(series.origin_lps_mm) + k * step
    dataset.ImagePositionPatient = [round(float(x), 6) for x in position]
    dataset.ImageOrientationPatient = list(series.orientation)
    dataset.PixelSpacing = list(series.spacing_mm[:2])
    dataset.SliceThickness = series.spacing_mm[2]


def _set_rescale(dataset: Dataset, series: Series) -> None:
    if series.slope is not None:
        dataset.RescaleSlope = series.slope
    if series.intercept is not None:
        dataset.RescaleIntercept = series.intercept


def set_pixels(dataset: Dataset, plane: NDArray[Any]) -> None:
    """Store one plane (row, column) of 8 or 16 bits, signed or not."""
    bits = plane.dtype.itemsize * 8
    dataset.Rows, dataset.Columns = plane.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(plane.dtype.kind == "i")
    dataset.PixelData = np.ascontiguousarray(plane).tobytes()
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"


def save_dicom(dataset: Dataset, path: Path) -> Path:
    """Write with preamble and meta information."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def save_without_preamble(dataset: Dataset, path: Path) -> Path:
    """Write as before PS3.10: no preamble, no meta information."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bare = Dataset(dataset)
    bare.save_as(path, implicit_vr=True, little_endian=True)
    return path


def compressed(dataset: Dataset, syntax: UID) -> Dataset:
    """The slice with its pixels encoded, by what pydicom can encode with."""
    dataset.compress(syntax, generate_instance_uid=False)
    return dataset


def write_series(folder: Path, series: Series | None = None) -> list[Path]:
    """Write one file per slice, `<series>_<slice>.dcm`.

    Returns:
        The files in the direction of the slice normal.
    """
    series = series or Series()
    n_slices = len(series.stored())
    names = [folder / f"{series.name}_{k:03d}.dcm" for k in range(n_slices)]
    return [save_dicom(a_slice(series, k), path) for k, path in enumerate(names)]


def truncate(path: Path, keep: int | float) -> Path:
    """Cut a file to so many bytes (int) or to this part of it (float)."""
    content = path.read_bytes()
    n_bytes = keep if isinstance(keep, int) else int(len(content) * keep)
    path.write_bytes(content[:n_bytes])
    return path


def write_nifti(
    path: Path,
    voxels: NDArray[Any] | None = None,
    affine: NDArray[np.float64] | None = None,
    *,
    seed: int = 0,
    kind: type[Any] = nib.Nifti1Image,
) -> Path:
    """Write voxels (i, j, k) as NIfTI; int16 (6, 8, 5) with 1 x 1 x 2 mm by default."""
    if voxels is None:
        generator = np.random.default_rng(seed)
        voxels = generator.integers(0, 1000, (6, 8, 5), np.int16)
    affine = np.diag([1.0, 1.0, 2.0, 1.0]) if affine is None else affine
    path.parent.mkdir(parents=True, exist_ok=True)
    image = kind(voxels, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.to_filename(path)
    return path


def write_mask(
    path: Path,
    shape: tuple[int, int, int] = (6, 8, 5),
    affine: NDArray[np.float64] | None = None,
    value: int = 1,
) -> Path:
    """Write a mask that is empty but for a block in the middle."""
    labels = np.zeros(shape, np.uint8)
    labels[tuple(slice(n // 4, max(n // 4 + 1, 3 * n // 4)) for n in shape)] = value
    return write_nifti(path, labels, affine)


def nifti_source(path: Path, scan_id: str = "scan1") -> ScanSource:
    """A NIfTI file as a scan."""
    return ScanSource(ScanId(scan_id), FileFormat.NIFTI, (path,))
