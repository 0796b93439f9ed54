from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from tests.makers import write_nifti
from voxray.core.findings import FindingCode
from voxray.ingest.headers import read_facts
from voxray.scan_io import read_nifti_doubt

AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


def stored(path: Path, sform: Any, qform: Any, codes: tuple[int, int]) -> Path:
    image = nib.Nifti1Image(np.arange(240, dtype=np.int16).reshape(6, 8, 5), AFFINE)
    image.set_sform(sform, code=codes[0])
    image.set_qform(qform, code=codes[1])
    image.to_filename(path)
    return path


def moved(shift_mm: float) -> Any:
    other = AFFINE.copy()
    other[0, 3] = shift_mm
    return other


def test_a_file_placed_once_or_twice_alike_is_not_doubted(tmp_path):
    for codes in ((1, 0), (0, 1), (4, 1)):
        path = stored(tmp_path / "a.nii", AFFINE, moved(0.05), codes)
        assert read_nifti_doubt(path, "s") is None


def test_a_file_that_states_no_place_says_so(tmp_path):
    path = stored(tmp_path / "a.nii", AFFINE, AFFINE, (0, 0))

    assert "states no place" in (read_nifti_doubt(path, "s") or "")


def test_two_places_are_said_with_their_distance(tmp_path):
    path = stored(tmp_path / "a.nii", AFFINE, moved(7.0), (2, 1))

    assert "corners up to 7 mm apart" in (read_nifti_doubt(path, "s") or "")


def test_a_qform_that_cannot_be_read_does_not_stop_the_file(tmp_path):
    path = write_nifti(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    content[256:260] = np.float32(2.0).tobytes()  # quatern_b beyond a unit vector
    path.write_bytes(content)

    assert read_nifti_doubt(path, "s") is None


def test_intake_notes_the_doubt(tmp_path):
    facts = read_facts(stored(tmp_path / "a.nii", AFFINE, AFFINE, (0, 0)))

    assert facts.problem is None
    assert [f.code for f in facts.findings] == [FindingCode.NO_GEOMETRY]
