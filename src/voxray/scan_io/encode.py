"""Arrays into the bytes of a scan file; equal input gives equal bytes."""

import gzip
import zlib
from collections.abc import Iterator
from io import BytesIO
from math import prod
from typing import Any, BinaryIO

import numpy as np
from nibabel import Nifti1Header, Nifti1Image, Nifti2Image
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray
from PIL import Image

from voxray.core.errors import GeometryError, UnreadableScanError

_GZIP_MAGIC = b"\x1f\x8b"
_LEVEL = 4
_MOST_BYTES = 4 << 30
_NOT_NIFTI = (
    HeaderDataError,
    ImageFileError,
    OverflowError,
    ValueError,
    WrapStructError,
)
_PLANE, _VOLUME, _VOLUMES, _COLOURS = 2, 3, 4, 3


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """PNG of exactly these values.

    Args:
        pixels: (row, column) grey, or (row, column, 3) red, green and blue.

    Raises:
        ValueError: If it is neither.
    """
    is_colour = pixels.ndim == _VOLUME and pixels.shape[2] == _COLOURS
    if pixels.dtype != np.uint8 or not (pixels.ndim == _PLANE or is_colour):
        msg = f"a picture is uint8 of 2 axes or 3 colours, got {_kind(pixels)}"
        raise ValueError(msg)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def encode_unplaced_nifti(voxels: NDArray[np.uint8]) -> bytes:
    """.nii.gz of a volume whose place in the patient nobody knows.

    sform and qform have code 0 (unknown) and the spacing is 1 without a unit, so that
    no reader takes the grid for a measured one.

    Args:
        voxels: (i, j, k).

    Raises:
        ValueError: If it is no uint8 volume.
    """
    if voxels.dtype != np.uint8 or voxels.ndim != _VOLUME:
        msg = f"a volume is uint8 of 3 axes, got {_kind(voxels)}"
        raise ValueError(msg)
    header: Any = Nifti1Header()  # type: ignore[no-untyped-call]
    header.set_data_dtype(np.uint8)
    return _file(header, voxels)


def split_nifti(file: BinaryIO, scan_id: str) -> Iterator[bytes]:
    """The volumes of a NIfTI file along its 4th axis, each a .nii.gz.

    Stored numbers, their type, slope and place stay as they are.

    Args:
        file: A single-file NIfTI, plain or packed with gzip; read from its start.
        scan_id: Named in errors.

    Raises:
        UnreadableScanError: If it is damaged, not NIfTI, or larger than any scan.
        GeometryError: If it has not three or four axes, or an axis of no length.
    """
    content = _unpacked(file, scan_id)
    image = _read(content, scan_id)
    shape = image.shape
    if not _VOLUME <= len(shape) <= _VOLUMES or min(shape) < 1:
        text = " x ".join(map(str, shape))
        raise GeometryError(scan_id, f"it is not a list of volumes: {text} voxels")
    raw = _raw(image, len(content), scan_id)
    header = image.header.copy()
    # nibabel takes slope and intercept out of the header when it reads a file.
    header.set_slope_inter(image.dataobj.slope, image.dataobj.inter)
    whole = raw.reshape(*shape, *(1,) * (_VOLUMES - len(shape)))
    return (_file(header, whole[..., c]) for c in range(whole.shape[3]))


def _raw(image: Any, n_bytes: int, scan_id: str) -> NDArray[Any]:  # noqa: ANN401
    """Stored numbers; no more memory is taken than the file fills."""
    stored = image.dataobj
    if stored.offset + prod(stored.shape) * stored.dtype.itemsize > n_bytes:
        problem = "the NIfTI file is truncated; copy it again"
        raise UnreadableScanError(scan_id, problem)
    raw: NDArray[Any] = np.asanyarray(stored.get_unscaled())
    return raw


def _unpacked(file: BinaryIO, scan_id: str) -> bytes:
    is_packed = file.read(2) == _GZIP_MAGIC
    file.seek(0)
    try:
        if is_packed:
            with gzip.GzipFile(fileobj=file) as stream:
                content = stream.read(_MOST_BYTES + 1)
        else:
            content = file.read(_MOST_BYTES + 1)
    except (EOFError, OSError, zlib.error) as error:
        problem = "the compressed NIfTI file is truncated or damaged; copy it again"
        raise UnreadableScanError(scan_id, problem) from error
    if len(content) > _MOST_BYTES:
        problem = f"it has more than {_MOST_BYTES >> 30} GiB"
        raise UnreadableScanError(scan_id, problem)
    return content


def _read(content: bytes, scan_id: str) -> Any:  # noqa: ANN401 - nibabel is untyped
    kind: Any = Nifti1Image if content[344:348] == b"n+1\0" else Nifti2Image
    try:
        return kind.from_bytes(content)
    except _NOT_NIFTI as error:
        raise UnreadableScanError(scan_id, "it is not a single-file NIfTI") from error


def _file(header: Any, voxels: NDArray[Any]) -> bytes:  # noqa: ANN401 - nibabel
    own = header.copy()
    own.set_data_shape(voxels.shape)
    own["magic"] = own.single_magic
    own["vox_offset"] = own.single_vox_offset
    no_extension = bytes(own.single_vox_offset - len(own.binaryblock))
    content = own.binaryblock + no_extension + voxels.tobytes(order="F")
    return gzip.compress(content, compresslevel=_LEVEL, mtime=0)


def _kind(array: NDArray[Any]) -> str:
    return f"{array.dtype} of shape {array.shape}"
