import numpy as np
import pytest
from PIL import Image

from tests.makers import nifti_source, truncate, write_nifti
from tests.unit.preprocess.makers import a_grid, an_affine
from voxray.core.records import FileFormat, ScanId, ScanSource, Volume
from voxray.preprocess import are_coloured, are_hounsfield
from voxray.preprocess.units import looks_hounsfield


def a_scan_between(low, high):
    values = np.random.default_rng(0).integers(low, high, a_grid().shape)
    return Volume(values.astype(np.int16), a_grid())


@pytest.mark.parametrize(
    ("low", "high", "is_ct"),
    [
        (-1024, 1500, True),  # lung and bone
        (-3024, 800, True),  # filled beyond the circle
        (-950, 100, True),  # a crop around a nodule
        (0, 1500, False),  # MR
        (0, 255, False),  # a picture
        (-150, 250, False),  # nothing but soft tissue: cannot be told
        (-4096, 4095, False),  # phase of MR
        (-1000, -900, False),  # air alone
    ],
)
def test_values_from_air_or_lung_to_tissue_are_hounsfield(low, high, is_ct):
    assert looks_hounsfield(a_scan_between(low, high)) is is_ct


def sources(folder, n_ct, n_other):
    kinds = [a_scan_between(-1000, 500)] * n_ct + [a_scan_between(0, 900)] * n_other
    return [
        nifti_source(write_nifti(folder / f"{n}.nii", scan.voxels, an_affine()))
        for n, scan in enumerate(kinds)
    ]


@pytest.mark.parametrize(("n_ct", "n_other", "said"), [(3, 1, True), (2, 2, False)])
def test_most_of_the_scans_must_look_alike(tmp_path, n_ct, n_other, said):
    assert are_hounsfield(sources(tmp_path, n_ct, n_other)) is said


def test_without_scans_nothing_is_known():
    assert not are_hounsfield([])


def test_scans_are_looked_at_evenly(tmp_path):
    assert not are_hounsfield(sources(tmp_path, 12, 11))


def test_a_scan_that_cannot_be_read_has_no_say(tmp_path):
    scans = sources(tmp_path, 3, 1)
    truncate(scans[3].files[0], 0.5)
    truncate(scans[2].files[0], 0.5)
    assert are_hounsfield(scans)


@pytest.mark.parametrize(
    ("n_coloured", "n_grey", "said"), [(3, 1, True), (2, 2, False), (0, 3, False)]
)
def test_pictures_are_in_colour_where_most_hold_more_than_grey(
    tmp_path, n_coloured, n_grey, said
):
    grey = np.random.default_rng(0).integers(0, 256, (8, 6, 1), np.uint8)
    pictures = [grey * np.array([1, 0, 1], np.uint8)] * n_coloured + [
        grey.repeat(3, 2)
    ] * n_grey
    scans = []
    for n, pixels in enumerate(pictures):
        path = tmp_path / f"{n}.png"
        Image.fromarray(pixels).save(path)
        scans.append(ScanSource(ScanId("s"), FileFormat.PICTURE, (path,)))
    assert are_coloured(scans) is said
