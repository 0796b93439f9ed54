import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from tests.makers import write_nifti
from tests.unit.ingest.image_makers import a_body
from tests.unit.ingest.makers import a_table, codes, take_in
from voxray.core.findings import Action, FindingCode
from voxray.core.specs import ChannelRules, IntakeRules
from voxray.core.specs.data import PatientColumn
from voxray.ingest import Intake


def as_jpeg(body: NDArray[Any], quality: int = 40) -> NDArray[Any]:
    """Each slice through a lossy encoder of 8 bits."""
    planes = []
    for plane in np.moveaxis(body / 4, 2, 0).astype(np.uint8):
        stream = io.BytesIO()
        Image.fromarray(plane).save(stream, "JPEG", quality=quality)
        planes.append(np.asarray(Image.open(stream)))
    return np.stack(planes, axis=2)


def noisy(body: NDArray[Any], sigma: float) -> NDArray[Any]:
    return np.asarray(body + np.random.default_rng(1).normal(0, sigma, body.shape))


COPIES: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "encoded with loss": as_jpeg,
    "rounded": lambda body: np.round(body / 20).astype(np.int16),
    "scaled to 8 bits": lambda body: (body / 1000 * 255).astype(np.uint8),
    "in another unit": lambda body: body * 3.7 - 1024,
    "cropped by a voxel": lambda body: body[1:],
    "cropped by a voxel along all axes": lambda body: body[1:, :-1, 1:],
    "at half the resolution": lambda body: ndimage.zoom(body, 0.5, order=1),
    "at a finer resolution": lambda body: ndimage.zoom(body, 1.4, order=1),
    "with noise": lambda body: noisy(body, 20),
}


def taken_in(folder: Path, *bodies: NDArray[Any], **options: Any) -> Intake:
    """Scans a, b, ... with these voxels."""
    for name, body in zip("abcd", bodies, strict=False):
        voxels = np.asarray(body)
        if voxels.dtype.kind == "f":
            voxels = voxels.astype(np.float32)
        write_nifti(folder / "scans" / f"{name}.nii.gz", voxels, np.eye(4))
    return take_in(folder / "scans", **options)


def findings(intake: Intake) -> dict[str, list[str]]:
    return {r.scan_id: [f.code.value for f in r.findings] for r in intake.records}


@pytest.mark.parametrize("kind", COPIES)
def test_a_near_copy_is_listed_and_not_merged(tmp_path: Path, kind: str) -> None:
    body = a_body()
    intake = taken_in(tmp_path, body, COPIES[kind](body), a_body(seed=9))

    assert findings(intake) == {"a": ["near-copy"], "b": ["near-copy"], "c": []}
    (pair,) = intake.near_copies
    assert (pair.scan_id, pair.other_scan_id) == ("a", "b")
    assert 0 <= pair.distance <= 0.2
    assert 0.9 <= pair.correlation <= 1
    assert intake.linked_patients == ()


def test_both_findings_name_the_other_scan_and_the_distance(tmp_path: Path) -> None:
    body = a_body()
    intake = taken_in(tmp_path, body, body[1:])
    details = [record.findings[0].detail for record in intake.records]
    assert details[0].startswith("nearly the image of b of another patient")
    assert details[1].startswith("nearly the image of a of another patient")
    assert all("% of hash bits differ, r=0.9" in detail for detail in details)


def test_other_bodies_are_no_near_copies(tmp_path: Path) -> None:
    intake = taken_in(tmp_path, *(a_body(seed=seed) for seed in range(4)))
    assert intake.near_copies == ()


def test_exact_copies_are_not_listed_as_near_copies(tmp_path: Path) -> None:
    intake = taken_in(tmp_path, a_body(), a_body())
    assert codes(intake) == {"copy-of": 1}
    assert intake.near_copies == ()


def test_planes_are_compared_with_planes(tmp_path: Path) -> None:
    plane = a_body(shape=(120, 100, 1))
    intake = taken_in(tmp_path, plane, plane[1:], a_body())
    assert [(p.scan_id, p.other_scan_id) for p in intake.near_copies] == [("a", "b")]


def test_shapes_must_be_more_alike_than_images(tmp_path: Path) -> None:
    shape = a_body() > 500
    grown = ndimage.binary_dilation(shape, iterations=2)
    intake = taken_in(tmp_path, shape.astype(np.uint8), grown.astype(np.uint8))
    assert intake.near_copies == ()


def test_volumes_of_one_file_are_not_compared(tmp_path: Path) -> None:
    body = a_body()
    write_nifti(
        tmp_path / "a.nii.gz",
        np.stack([body, noisy(body, 10)], axis=3).astype(np.float32),
        np.eye(4),
    )
    intake = take_in(tmp_path)
    assert codes(intake) == {}
    assert len(intake.records) == 2
    assert intake.near_copies == ()


def test_channels_of_one_exam_are_not_compared(tmp_path: Path) -> None:
    body = a_body()
    for name, voxels in {"t1": body, "flair": noisy(body, 10)}.items():
        path = tmp_path / "anna" / f"{name}.nii.gz"
        write_nifti(path, voxels.astype(np.float32), np.eye(4))
    rules = IntakeRules(
        channels={c: ChannelRules(path=f"*{c}.nii.gz") for c in ("t1", "flair")},
        exam="folder",
    )
    intake = take_in(tmp_path, rules=rules)
    assert codes(intake) == {}
    assert len(intake.records) == 2
    assert intake.near_copies == ()


def test_a_signed_exception_uses_a_refused_near_copy(tmp_path: Path) -> None:
    body = a_body()
    rules = IntakeRules(
        channels={"image": ChannelRules()},
        policy={FindingCode.NEAR_COPY: Action.REFUSE},
    )
    signed = tmp_path / "overrides.csv"
    signed.write_text("scan,code,who,why\na,near-copy,Dr. A,twins\n")
    intake = taken_in(tmp_path, body, body[1:], rules=rules, overrides=signed)
    assert codes(intake) == {"near-copy": 1}
    assert [record.scan_id for record in intake.records] == ["a"]


def test_near_copies_of_one_patient_say_so(tmp_path: Path) -> None:
    body = a_body()
    table = a_table(tmp_path / "t.csv", "scan,who", "a,anna", "b,anna")
    who = PatientColumn(column="who")
    intake = taken_in(tmp_path, body, body[1:], labels=table, patient=who)
    assert "b of the same patient" in intake.records[0].findings[0].detail


def test_a_policy_may_refuse_near_copies(tmp_path: Path) -> None:
    body = a_body()
    rules = IntakeRules(
        channels={"image": ChannelRules()},
        policy={FindingCode.NEAR_COPY: Action.REFUSE},
    )
    intake = taken_in(tmp_path, body, body[1:], a_body(seed=9), rules=rules)
    assert codes(intake) == {"near-copy": 2}
    assert [record.scan_id for record in intake.records] == ["c"]


def test_a_person_may_sign_for_a_near_copy_that_the_policy_refuses(
    tmp_path: Path,
) -> None:
    rules = IntakeRules(
        channels={"image": ChannelRules()},
        policy={FindingCode.NEAR_COPY: Action.REFUSE},
    )
    signed = tmp_path / "overrides.csv"
    signed.write_text("scan,code,who,why\na,near-copy,me,another visit\n", "utf-8")
    body = a_body()

    intake = taken_in(tmp_path, body, body[1:], rules=rules, overrides=signed)

    assert [record.scan_id for record in intake.records] == ["a"]
    assert intake.unused_overrides == 0


def test_scoring_does_not_compare_scans(tmp_path: Path) -> None:
    body = a_body()
    intake = taken_in(tmp_path, body, body[1:], duplicates="keep")
    assert findings(intake) == {"a": [], "b": []}
