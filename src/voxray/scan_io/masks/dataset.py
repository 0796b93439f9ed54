"""A DICOM mask as a pydicom data set."""

from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence

from voxray.core.errors import UnreadableScanError
from voxray.scan_io.dicom.opened import dicom_stream
from voxray.scan_io.dicom.quiet import READ_ERRORS, kind_of, quiet_pydicom

MAX_VALUE = 65535


def read_dataset(path: Path, scan_id: str, *, pixels: bool) -> FileDataset:
    """Read a file; its values are checked by whoever asks for them.

    Raises:
        UnreadableScanError: If it cannot be opened or is not DICOM.
    """
    try:
        with quiet_pydicom(), dicom_stream(path) as stream:
            return pydicom.dcmread(stream, force=True, stop_before_pixels=not pixels)
    except READ_ERRORS as error:
        problem = f"the DICOM mask cannot be read: {kind_of(error)}"
        raise UnreadableScanError(scan_id, problem) from error


def items(dataset: Dataset, *keywords: str) -> Iterator[Dataset]:
    """Give every item at the end of a path of sequences; what is absent gives none."""
    first, *rest = keywords
    found = dataset.get(first)
    for item in found if isinstance(found, Sequence) else ():
        if rest:
            yield from items(item, *rest)
        else:
            yield item


def one_item(keyword: str, *datasets: Dataset) -> Dataset | None:
    """Give the first item of a sequence, of the first data set that has it."""
    return next((item for d in datasets for item in items(d, keyword)), None)
