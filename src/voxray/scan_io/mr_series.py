"""A volume as a genuine DICOM MR series: single-frame files, one per slice.

The bytes follow from the volume and the header alone: no clock, no random UID.
"""

from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from voxray.core.errors import GeometryError
from voxray.core.files import atomic_path
from voxray.core.geometry import VoxelGrid
from voxray.core.records import Volume

_UID_ROOT = "1.2.826.0.1.3680043.8.498."  # pydicom's, free for anyone to derive from
_WRITER_UID = f"{_UID_ROOT}86926729"
_RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])
_RIGHT_ANGLE_ATOL = 1e-6
_LARGEST_PIXEL = np.iinfo(np.uint16).max


@dataclass(frozen=True, slots=True)
class MrPatient:
    """Who is written into the file. Invented people only.

    Attributes:
        patient_id: PatientID.
        name: PatientName, e.g. "Demo^Seven".
        sex: "F", "M" or "O".
    """

    patient_id: str
    name: str
    sex: str
    birth_date: date


@dataclass(frozen=True, slots=True)
class MrScanner:
    """The machine and the protocol a series came from.

    Attributes:
        field_tesla: MagneticFieldStrength.
        numbers_from_last: InstanceNumber 1 is the last slice along k, as some
            scanners count from head to foot.
    """

    manufacturer: str
    model: str
    station: str
    institution: str
    field_tesla: float
    repetition_ms: float
    echo_ms: float
    inversion_ms: float
    numbers_from_last: bool = False


@dataclass(frozen=True, slots=True)
class MrSeriesHeader:
    """What a series says of itself besides its geometry.

    Attributes:
        study_uid: StudyInstanceUID; `derive_uid` makes one. The other UIDs of the
            series, its slices and its frame of reference are derived from `series_uid`.
        acquired_at: Local time; study, series and content share it.
    """

    patient: MrPatient
    scanner: MrScanner
    study_uid: str
    series_uid: str
    series_number: int
    series_description: str
    acquired_at: datetime


def derive_uid(*parts: str) -> str:
    """Make a DICOM UID from words: the same words give the same UID."""
    return str(generate_uid(prefix=_UID_ROOT, entropy_srcs=["voxray", *parts]))


def write_mr_series(
    folder: Path, volume: Volume, header: MrSeriesHeader, first_file_number: int = 1
) -> list[Path]:
    """Write each slice along k as `IM0001.dcm` … (MR Image Storage, uint16).

    Args:
        folder: Made when missing; files of the same names are replaced.
        volume: Whole numbers in 0..65535, (i, j, k): i runs along a DICOM row, j along
            a column, k over slices, which may lie askew to the plane.
        header: Everything but geometry and pixels.
        first_file_number: For a second series in one folder.

    Returns:
        The files in order of their names.

    Raises:
        GeometryError: If axes i and j are not at right angles, which DICOM cannot say.
        ValueError: If a voxel does not fit into uint16 exactly.
    """
    pixels = _to_uint16(volume.voxels)
    _check_plane(header.series_uid, volume.grid)
    dataset = _encoded(_series_dataset(volume.grid, header, pixels))
    order = list(range(pixels.shape[2]))
    if header.scanner.numbers_from_last:
        order.reverse()
    paths = []
    for number, k in enumerate(order):
        path = folder / f"IM{first_file_number + number:04d}.dcm"
        _set_slice(dataset, volume.grid, number + 1, k)
        dataset.add_new("PixelData", "OW", pixels[:, :, k].T.tobytes(order="C"))
        _save(path, dataset)
        paths.append(path)
    return paths


def write_slice_copy(source: Path, target: Path) -> None:
    """Copy one slice under a new SOPInstanceUID, as a doubled export does."""
    dataset = dcmread(source)
    dataset.SOPInstanceUID = UID(derive_uid("copy", dataset.SOPInstanceUID))
    _save(target, dataset)


def _to_uint16(voxels: NDArray[np.generic]) -> NDArray[np.uint16]:
    whole = voxels.astype("<u2")
    if not np.array_equal(whole, voxels):
        msg = f"MR pixels must be whole numbers in 0..{_LARGEST_PIXEL}"
        raise ValueError(msg)
    return whole


def _check_plane(series_uid: str, grid: VoxelGrid) -> None:
    row, column = _plane_lps(grid)
    cosine = float(row @ column)
    if abs(cosine) > _RIGHT_ANGLE_ATOL:
        msg = f"axes i and j are not at right angles (cosine {cosine:.3g})"
        raise GeometryError(series_uid, msg)


def _plane_lps(grid: VoxelGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    columns = _RAS_TO_LPS[:, None] * grid.affine[:3, :2]
    unit = columns / np.linalg.norm(columns, axis=0)
    return unit[:, 0], unit[:, 1]


def _series_dataset(
    grid: VoxelGrid, header: MrSeriesHeader, pixels: NDArray[np.uint16]
) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = _file_meta()
    _add_patient_and_study(dataset, header)
    _add_series(dataset, header)
    _add_mr(dataset, header.scanner)
    _add_plane(dataset, grid)
    _add_window(dataset, pixels)
    return dataset


def _encoded(dataset: Dataset) -> Dataset:
    """Encode the elements all slices share once: writing a series is then faster."""
    stream = BytesIO()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SeriesInstanceUID
    dcmwrite(stream, dataset, enforce_file_format=True)
    stream.seek(0)
    return dcmread(stream)


def _file_meta() -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_WRITER_UID)
    meta.ImplementationVersionName = "VOXRAY"
    return meta


def _add_patient_and_study(dataset: Dataset, header: MrSeriesHeader) -> None:
    born, taken = header.patient.birth_date, header.acquired_at
    had_birthday = (taken.month, taken.day) >= (born.month, born.day)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = header.patient.name
    dataset.PatientID = header.patient.patient_id
    dataset.PatientBirthDate = born.strftime("%Y%m%d")
    dataset.PatientSex = header.patient.sex
    dataset.PatientAge = f"{taken.year - born.year - (not had_birthday):03d}Y"
    dataset.StudyInstanceUID = header.study_uid
    dataset.StudyDate = dataset.SeriesDate = taken.strftime("%Y%m%d")
    dataset.StudyTime = dataset.SeriesTime = taken.strftime("%H%M%S")
    dataset.StudyID = "1"
    dataset.StudyDescription = "MR head"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""


def _add_series(dataset: Dataset, header: MrSeriesHeader) -> None:
    scanner = header.scanner
    dataset.Modality = "MR"
    dataset.SeriesInstanceUID = header.series_uid
    dataset.SeriesNumber = header.series_number
    dataset.SeriesDescription = header.series_description
    dataset.ProtocolName = header.series_description
    dataset.BodyPartExamined = "HEAD"
    dataset.PatientPosition = "HFS"
    dataset.FrameOfReferenceUID = UID(derive_uid("frame", header.series_uid))
    dataset.PositionReferenceIndicator = ""
    dataset.Manufacturer = scanner.manufacturer
    dataset.ManufacturerModelName = scanner.model
    dataset.StationName = scanner.station
    dataset.InstitutionName = scanner.institution
    dataset.SoftwareVersions = "synthetic"
    dataset.AcquisitionNumber = 1
    dataset.AcquisitionDate = dataset.ContentDate = dataset.SeriesDate
    dataset.AcquisitionTime = dataset.ContentTime = dataset.SeriesTime


def _add_mr(dataset: Dataset, scanner: MrScanner) -> None:
    dataset.SOPClassUID = MRImageStorage
    dataset.ImageType = ["DERIVED", "PRIMARY", "OTHER"]
    dataset.ScanningSequence = ["SE", "IR"]
    dataset.SequenceVariant = "SK"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "2D"
    dataset.RepetitionTime = _ds(scanner.repetition_ms)
    dataset.EchoTime = _ds(scanner.echo_ms)
    dataset.InversionTime = _ds(scanner.inversion_ms)
    dataset.EchoTrainLength = 16
    dataset.MagneticFieldStrength = _ds(scanner.field_tesla)


def _add_plane(dataset: Dataset, grid: VoxelGrid) -> None:
    spacing = grid.spacing_mm
    row, column = _plane_lps(grid)
    normal_lps = np.cross(row, column)
    step = abs(float(normal_lps @ (_RAS_TO_LPS * grid.affine[:3, 2])))
    dataset.ImageOrientationPatient = [_ds(x) for x in (*row, *column)]
    dataset.PixelSpacing = [_ds(spacing.j), _ds(spacing.i)]  # rows apart, columns apart
    dataset.SliceThickness = dataset.SpacingBetweenSlices = _ds(step)
    dataset.ImagesInAcquisition = grid.shape[2]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Columns, dataset.Rows, _ = grid.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0


def _add_window(dataset: Dataset, pixels: NDArray[np.uint16]) -> None:
    width = max(float(pixels.max()), 1.0)
    dataset.WindowCenter, dataset.WindowWidth = _ds(width / 2), _ds(width)


def _set_slice(dataset: Dataset, grid: VoxelGrid, number: int, k: int) -> None:
    centre_ras = grid.affine[:3, 3] + k * grid.affine[:3, 2]
    dataset.InstanceNumber = number
    words = (str(dataset.SeriesInstanceUID), "slice", str(k))
    dataset.SOPInstanceUID = UID(derive_uid(*words))
    dataset.ImagePositionPatient = [_ds(x) for x in _RAS_TO_LPS * centre_ras]


def _ds(value: float) -> str:
    """Write a number in the 16 characters of a decimal string (DICOM PS3.5 6.2)."""
    return str(format_number_as_ds(float(value) + 0.0))


def _save(path: Path, dataset: Dataset) -> None:
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    with atomic_path(path) as temporary:
        dcmwrite(temporary, dataset, enforce_file_format=True)
