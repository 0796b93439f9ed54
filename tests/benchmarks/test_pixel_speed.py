"""What voxels and their hash cost: read_series against a plain pydicom loop.

    pytest -m bench -s tests/benchmarks/test_pixel_speed.py

Processor time of one process, in turns on the same files, the smallest of 5 rounds.
Generated CT slices with headers of about 60 elements, 12 bits stored. The plain loop
does the same reading: dcmread, pixel_array, rescale, float32, one hash of the volume.
"""

import hashlib
import time

import numpy as np
import pydicom
import pytest
from tests.benchmarks.test_header_speed import a_typical_slice
from tests.makers import save_dicom

from voxray.core.hashing import sha256_pixels
from voxray.core.records import FileFormat, ScanId, ScanSource
from voxray.scan_io import read_dicom_header, read_volume

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

ROUNDS = 5
N_SLICES = 100
WANTED_RATIO = 1.25


def write_slices(folder, size):
    generator = np.random.default_rng(0)
    paths = []
    for k in range(N_SLICES):
        dataset = a_typical_slice(k, n_private=10)
        plane = generator.integers(0, 4096, (size, size), np.int16)
        dataset.Rows = dataset.Columns = size
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.PixelData = plane.tobytes()
        paths.append(save_dicom(dataset, folder / f"{k}.dcm"))
    return paths


def by_pydicom(paths):
    digest = hashlib.sha256()
    for path in paths:
        dataset = pydicom.dcmread(path)
        grey = dataset.pixel_array * dataset.RescaleSlope + dataset.RescaleIntercept
        digest.update(grey.astype(np.float32).tobytes())
    return digest.hexdigest()


def by_voxray(paths):
    volume = read_volume(ScanSource(ScanId("s"), FileFormat.DICOM, tuple(paths)))
    return sha256_pixels(volume.voxels, volume.grid)


def by_voxray_with_headers(paths):
    for path in paths:
        read_dicom_header(path)
    return by_voxray(paths)


def cpu_s(read, paths):
    began = time.process_time()
    read(paths)
    return time.process_time() - began


@pytest.mark.parametrize("size", [256, 512])
def test_pixels_cost_less_than_with_pydicom(tmp_path, size):
    paths = write_slices(tmp_path, size)
    ways = (by_pydicom, by_voxray, by_voxray_with_headers)

    rounds = [[cpu_s(way, paths) for way in ways] for _ in range(ROUNDS)]

    plain, pixels, index = (
        1e6 * min(column) / N_SLICES for column in zip(*rounds, strict=True)
    )
    print(
        f"\n{size} x {size}, us a slice: pydicom {plain:.0f}, voxray pixels and hash "
        f"{pixels:.0f} (ratio {plain / pixels:.2f}), with the header before "
        f"{index:.0f} (ratio {plain / index:.2f})"
    )
    assert plain / index > WANTED_RATIO
