"""NIfTI-1 and NIfTI-2, single files and pairs, plain or gzip, in; label maps out.

The bytes are read here and only the header is left to nibabel, since nibabel chooses
format and compression by the file name and finds a truncated file late.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from nibabel import Nifti1Header, Nifti1Image, Nifti2Header
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from voxray.core.errors import GeometryError, UnreadableScanError
from voxray.core.files import atomic_path
from voxray.core.geometry import Affine, Shape, VoxelGrid
from voxray.core.records import ScanSource, Volume
from voxray.scan_io.bounds import check_size
from voxray.scan_io.files import open_scan
from voxray.scan_io.nifti_place import place_doubt
from voxray.scan_io.sniff import is_nifti_head, is_nifti_pair_head

_HEAD_BYTES = 348
_BLOCK_BYTES = 1 << 24
_PASSED_BYTES = 1 << 18
_FARTHEST_BYTE = 1 << 48  # no file is longer, and no seek overflows
_GZIP_MAGIC = b"\x1f\x8b"
_SPATIAL_UNIT_BITS = 7
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""xyzt_units: unknown (taken as mm), metre, millimetre, micron."""
_VOXELS_OF = {
    ".hdr": (".img", ".img.gz"),
    ".HDR": (".IMG",),
    ".hdr.gz": (".img.gz", ".img"),
}
"""By how the header of a pair is named: how its voxels may be."""
_SPACE = 3


def read_nifti_grid(path: Path, scan_id: str) -> tuple[VoxelGrid, tuple[int, ...]]:
    """Read where the voxels sit; voxels are not read.

    The affine is the sform if its code is above zero, else the qform if its code is,
    else what nibabel takes for such files: spacing alone, centred, x to the left.
    Units of metres or microns become mm.

    Args:
        path: File of any name, or the header of a pair.
        scan_id: Named in errors.

    Returns:
        Grid of the first three axes, and the shape as the header says it.

    Raises:
        UnreadableScanError: If the file cannot be opened or is not NIfTI, or the voxels
            of a pair are not beside the header.
        GeometryError: If the header places the voxels nowhere.
    """
    with _opened(path, scan_id) as (_, layout):
        return layout.grid(scan_id), layout.shape


def read_nifti_doubt(path: Path, scan_id: str) -> str | None:
    """Say why the place of the voxels is doubtful; None when it is not.

    Raises:
        UnreadableScanError: If the file cannot be opened or is not NIfTI.
    """
    with _opened(path, scan_id) as (_, layout):
        return place_doubt(layout.header, layout.shape)


def read_nifti_volume(source: ScanSource) -> Volume:
    """Read a scan: one volume of a file that may hold several along its fourth axis.

    Trailing axes of length one are dropped; a plane gets a third axis. A slope of zero,
    or one that is no number, is none. Only this volume is kept in memory.

    Args:
        source: One file, of a pair the header; `volume` says which volume of it.

    Returns:
        float32 (i, j, k), slope and intercept applied in double precision, in
        arbitrary units.

    Raises:
        UnreadableScanError: If the file is truncated, damaged, or holds colours or
            complex numbers.
        TooLargeError: If the volume has more voxels than the bound for one scan.
        GeometryError: If it has no such volume, or cannot be placed.
    """
    raw, layout = _read(source.files[0], source.scan_id, source.volume)
    grid = layout.grid(source.scan_id)
    voxels = np.empty(raw.shape, np.float32, order="F")
    with np.errstate(over="ignore", invalid="ignore"):  # infinite or NaN: a finding
        for k in range(raw.shape[2]):
            voxels[:, :, k] = layout.scaled(raw[:, :, k])
    return Volume(voxels, grid)


def read_label_map(path: Path, scan_id: str) -> Volume:
    """Read a mask: whole numbers, whatever type they are stored in.

    Args:
        path: File of any name.
        scan_id: Of the scan that the mask is for; named in errors.

    Returns:
        Integers (i, j, k) in the stored integer type; int32 if stored otherwise.

    Raises:
        UnreadableScanError: As for a scan, and if a value is not a whole number.
        GeometryError: As for a scan, and if it holds several volumes.
    """
    raw, layout = _read(path, scan_id, None)
    grid = layout.grid(scan_id)
    if layout.is_scaled or raw.dtype.kind == "f":
        return Volume(_whole_numbers(layout.scaled(raw), scan_id), grid)
    return Volume(raw.astype(raw.dtype.newbyteorder("="), copy=False), grid)


def write_label_map(
    path: Path, labels: NDArray[np.uint8] | NDArray[np.uint16], grid: VoxelGrid
) -> None:
    """Write a mask as .nii.gz, whole or not at all; equal input gives equal bytes.

    Args:
        path: Ends in .nii.gz.
        labels: (i, j, k) on `grid`.
        grid: Becomes sform and qform, both with code 1 (scanner).

    Raises:
        ValueError: If the labels are not uint8 or uint16 of the grid's shape.
        MachineError: If the disk is full or the folder may not be written.
    """
    if labels.dtype not in (np.uint8, np.uint16) or labels.shape != grid.shape:
        msg = (
            f"labels must be uint8 or uint16 of shape {grid.shape}, "
            f"got {labels.dtype} {labels.shape}"
        )
        raise ValueError(msg)
    image: Any = Nifti1Image(labels, grid.affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    image.set_sform(grid.affine, code=1)
    image.set_qform(grid.affine, code=1)
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), mtime=0))


_Stream = gzip.GzipFile | IO[bytes]


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the header says; `is_header_of_pair` if the voxels are in another file."""

    is_header_of_pair: bool
    header: Any  # Nifti1Header or Nifti2Header; nibabel is untyped
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float

    @property
    def is_scaled(self) -> bool:
        return (self.slope, self.intercept) != (1.0, 0.0)

    def grid(self, scan_id: str) -> VoxelGrid:
        try:
            affine = np.array(self.header.get_best_affine(), dtype=np.float64)
        except (HeaderDataError, ValueError, FloatingPointError) as error:
            problem = f"the orientation in its NIfTI header is impossible: {error}"
            raise GeometryError(scan_id, problem) from error
        i, j, k = (*self.shape, 1, 1, 1)[:3]
        return VoxelGrid.from_affine(scan_id, (i, j, k), self._in_mm(affine, scan_id))

    def scaled(self, raw: NDArray[Any]) -> NDArray[Any]:
        return raw.astype(np.float64) * self.slope + self.intercept

    def _in_mm(self, affine: Affine, scan_id: str) -> Affine:
        code = int(self.header["xyzt_units"]) & _SPATIAL_UNIT_BITS
        if code not in _MM_PER_UNIT:
            raise GeometryError(scan_id, f"its unit of length has no meaning: {code}")
        affine[:3] *= _MM_PER_UNIT[code]
        return affine


@contextmanager
def _opened(path: Path, scan_id: str) -> Iterator[tuple[_Stream, _Layout]]:
    """The unpacked file with the voxels, and what its header says."""
    try:
        with open_scan(path) as plain, _unpacked(plain) as stream:
            layout = _read_layout(stream, scan_id)
            if not layout.is_header_of_pair:
                yield stream, layout
                return
        with _voxels_of_pair(path, scan_id) as plain, _unpacked(plain) as stream:
            yield stream, layout
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        problem = "the compressed NIfTI file is truncated or damaged; copy it again"
        raise UnreadableScanError(scan_id, problem) from error
    except OSError as error:
        problem = f"the NIfTI file cannot be read: {error.strerror or 'input/output'}"
        raise UnreadableScanError(scan_id, problem) from error


def _unpacked(stream: BinaryIO) -> _Stream:
    packed = stream.read(2) == _GZIP_MAGIC
    stream.seek(0)
    return gzip.GzipFile(fileobj=stream, mode="rb") if packed else stream


def _voxels_of_pair(path: Path, scan_id: str) -> BinaryIO:
    """The file beside a header that is named as it is."""
    for suffix, voxel_suffixes in _VOXELS_OF.items():
        if path.name.endswith(suffix):
            stem = path.name.removesuffix(suffix)
            for other in voxel_suffixes:
                with suppress(FileNotFoundError):
                    return open_scan(path.with_name(stem + other))
    problem = "it is the header of a NIfTI pair, and no .img of its name lies beside it"
    raise UnreadableScanError(scan_id, problem)


def _read_layout(stream: _Stream, scan_id: str) -> _Layout:
    head = stream.read(_HEAD_BYTES)
    pair = is_nifti_pair_head(head)
    if not pair and not is_nifti_head(head):
        raise UnreadableScanError(scan_id, "it is not NIfTI")
    stream.seek(0)
    of_first_kind = head[344:348] in {b"n+1\0", b"ni1\0"}
    kind: Any = Nifti1Header if of_first_kind else Nifti2Header
    try:
        # Not by nibabel, which would read the extensions of the header too.
        block = stream.read(kind.template_dtype.itemsize)
        header = kind(block, check=False)
        shape, dtype = header.get_data_shape(), header.get_data_dtype()
        slope, intercept = header.get_slope_inter()
        # Zero is written by some tools and means "right after the header".
        after_header = 0 if pair else int(kind.single_vox_offset)
        offset = int(header["vox_offset"]) or after_header
    except (
        HeaderDataError,
        WrapStructError,
        ValueError,
        KeyError,
        OverflowError,
    ) as error:
        problem = f"its NIfTI header is broken: {type(error).__name__}"
        raise UnreadableScanError(scan_id, problem) from error
    if not (0 if pair else _HEAD_BYTES) <= offset <= _FARTHEST_BYTE:
        problem = f"its NIfTI header is broken: voxels would start at byte {offset}"
        raise UnreadableScanError(scan_id, problem)
    if not shape or min(shape) < 1 or dtype.kind not in "iuf":
        kind_of_values = "colours" if dtype.names else dtype.name
        problem = f"it holds no grey volume: shape {shape} of {kind_of_values}"
        raise UnreadableScanError(scan_id, problem)
    return _Layout(
        pair,
        header,
        tuple(int(n) for n in shape),
        dtype,
        offset,
        1.0 if slope is None else float(slope),
        0.0 if intercept is None else float(intercept),
    )


def _read(path: Path, scan_id: str, volume: int | None) -> tuple[NDArray[Any], _Layout]:
    """Stored values (i, j, k), and what the header says of them.

    Args:
        path: File, of a pair the header.
        scan_id: Named in errors.
        volume: Which along the fourth axis; None if there must be only one.
    """
    with _opened(path, scan_id) as (stream, layout):
        shape = _volume_shape(layout.shape, scan_id, volume)
        check_size(scan_id, shape)
        wanted = prod(shape) * layout.dtype.itemsize
        stream.seek(layout.offset + (volume or 0) * wanted)
        content = _take(stream, wanted)
        # The checksum of a gzip file stands at its end and is checked on the way there.
        while isinstance(stream, gzip.GzipFile) and stream.read(_PASSED_BYTES):
            pass
    if len(content) < wanted:
        problem = f"the file is truncated: {len(content)} of {wanted} voxel bytes"
        raise UnreadableScanError(scan_id, problem)
    return np.frombuffer(content, layout.dtype).reshape(shape, order="F"), layout


def _take(stream: _Stream, n_bytes: int) -> bytearray:
    """Read in blocks, so that a header that lies about its size costs no memory."""
    content = bytearray()
    while len(content) < n_bytes:
        block = stream.read(min(_BLOCK_BYTES, n_bytes - len(content)))
        if not block:
            break
        content += block
    return content


def _volume_shape(shape: tuple[int, ...], scan_id: str, volume: int | None) -> Shape:
    text = " x ".join(map(str, shape))
    n_volumes, n_values = prod(shape[_SPACE : _SPACE + 1]), prod(shape[_SPACE + 1 :])
    if n_values != 1 or (volume is None and n_volumes != 1):
        raise GeometryError(scan_id, f"it is not one volume: {text} voxels")
    if volume is not None and not 0 <= volume < n_volumes:
        problem = f"it has no volume {volume + 1}: {text} voxels"
        raise GeometryError(scan_id, problem)
    i, j, k = (*shape, 1, 1, 1)[:_SPACE]
    return i, j, k


def _whole_numbers(values: NDArray[np.float64], scan_id: str) -> NDArray[np.int32]:
    limits = np.iinfo(np.int32)
    whole = np.isfinite(values) & (values == np.round(values))
    fits = (values >= limits.min) & (values <= limits.max)
    if not (whole & fits).all():
        odd = float(values[~(whole & fits)][0])
        problem = f"a mask holds whole numbers, this one also {odd:g}"
        raise UnreadableScanError(scan_id, problem)
    return values.astype(np.int32)
