"""Broken and hostile masks are read or refused, in no time and without a warning."""

import contextlib
import time
import warnings

import numpy as np
import pytest

from tests.mask_makers import a_seg, a_structure_set, square
from tests.unit.scan_io.masks.makers import a_scan, some_voxels
from voxray.core.errors import ScanError
from voxray.scan_io import read_drawing, read_mask_references

N_MUTANTS = 80


def kinds(scan):
    boxes = [square((0.5, 0.5), (3.5, 4.5), k, scan.grid.affine) for k in (1, 2)]
    yield a_seg(scan.slices, some_voxels(2), ("lesion", "b"))
    yield a_seg(scan.slices, some_voxels(2), ("lesion", "b"), "LABELMAP")
    yield a_structure_set(scan.slices[0], {"lesion": boxes}, images=scan.slices)


def mutant(content, generator):
    """Change, remove, repeat or cut off bytes behind the preamble."""
    changed = bytearray(content)
    for _ in range(generator.integers(1, 6)):
        at, other = generator.integers(132, len(changed) - 64, 2)
        match generator.integers(0, 5):
            case 0:
                changed[at] = generator.integers(0, 256)
            case 1:
                changed[at : at + 4] = generator.bytes(4)
            case 2:
                changed[at : at + 2] = b"\xff\xff"
            case 3:
                del changed[at : at + 40]
            case _:
                changed[at:at] = changed[other : other + 60]
    end = generator.integers(200, len(changed)) if generator.random() < 0.1 else None
    return bytes(changed[:end])


@pytest.mark.parametrize("number", range(3))
def test_mutants_of_a_mask_are_read_or_refused(tmp_path, number):
    scan = a_scan(tmp_path)
    source = scan.source(list(kinds(scan))[number])
    content = source.file.read_bytes()
    generator = np.random.default_rng(number)
    started = time.monotonic()

    for _ in range(N_MUTANTS):
        source.file.write_bytes(mutant(content, generator))
        for read in (lambda: read_drawing(source), lambda: of_file(source)):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                with contextlib.suppress(ScanError):
                    read()

    assert time.monotonic() - started < 60


def of_file(source):
    return read_mask_references(source.file)
