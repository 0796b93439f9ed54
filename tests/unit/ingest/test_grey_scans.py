"""Radiographs, pictures and odd grey through the whole intake."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import RLELossless

from tests.makers import Series, a_slice, compressed, save_dicom, write_series
from tests.unit.ingest.makers import KEYED, RULES, codes, row_of, take_in
from voxray.core.errors import DatasetError
from voxray.core.findings import Action, FindingCode
from voxray.core.records import ScanRecord, ScanState
from voxray.ingest import Intake
from voxray.ingest.images import picture_findings, size_findings
from voxray.scan_io import encode_png, read_volume

NO_PLACE = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
GREY: NDArray[np.uint8] = np.arange(48, dtype=np.uint8).reshape(8, 6)


def found(record: ScanRecord) -> dict[str, str]:
    return {finding.code.value: finding.detail for finding in record.findings}


def only(intake: Intake) -> ScanRecord:
    (record,) = intake.records
    return record


def a_radiograph(folder: Path, **extra: Any) -> Path:
    series = Series(modality="DX", n_slices=1, extra={**NO_PLACE, **extra})
    return save_dicom(a_slice(series, 0), folder / "a.dcm")


def test_radiograph_says_how_it_became_grey(tmp_path: Path) -> None:
    shown = {"WindowCenter": 500, "WindowWidth": 400}
    a_radiograph(tmp_path, PhotometricInterpretation="MONOCHROME1", **shown)

    record = only(take_in(tmp_path))

    assert found(record).keys() >= {"inverted-grey", "window-applied"}
    assert record.state is ScanState.REPAIRED
    assert record.grid.shape == (6, 8, 1)


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        (FindingCode.INVERTED_GREY, {"PhotometricInterpretation": "MONOCHROME1"}),
        (FindingCode.WINDOW_APPLIED, {"WindowCenter": 500, "WindowWidth": 400}),
        (FindingCode.PADDING_VALUE, {"PixelPaddingValue": 0}),
    ],
)
def test_policy_may_refuse_what_became_of_grey(
    tmp_path: Path, code: FindingCode, extra: dict[str, Any]
) -> None:
    a_radiograph(tmp_path, **extra)
    rules = RULES.model_copy(update={"policy": {code: Action.REFUSE}})

    assert codes(take_in(tmp_path, rules=rules)) == {code.value: 1}


def test_padding_is_replaced_where_the_policy_says_so(tmp_path: Path) -> None:
    voxels = np.full((3, 4, 4), 100, np.int16)
    voxels[:, 0], voxels[:, 1] = -2000, 50
    series = Series(modality="CT", voxels=voxels, extra={"PixelPaddingValue": -2000})
    write_series(tmp_path, series)
    policy = {FindingCode.PADDING_VALUE: Action.REPAIR}

    kept, replaced = (
        take_in(tmp_path, rules=rules)
        for rules in (RULES, RULES.model_copy(update={"policy": policy}))
    )

    values = [
        set(np.unique(read_volume(source).voxels).tolist())
        for intake in (kept, replaced)
        for source in intake.sources.values()
    ]
    assert values == [{-2000, 50, 100}, {50, 100}]
    assert only(replaced).state is ScanState.REPAIRED


def test_picture_becomes_a_scan_of_1_mm(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode_png(GREY))

    record = only(take_in(tmp_path))

    assert found(record) == {
        "no-geometry": "a picture file; pixels of 1 mm are assumed"
    }
    assert record.grid.shape == (6, 8, 1)
    assert record.grid.spacing_mm == (1, 1, 1)


def test_colour_picture_says_so(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif)

    record = only(take_in(tmp_path))

    details = found(record)
    assert details.keys() == {"no-geometry", "colour-to-grey"}
    assert "turned upright" in details["no-geometry"]
    assert record.grid.shape == (8, 6, 1)


def test_an_image_that_is_there_twice_is_used_once(tmp_path: Path) -> None:
    alone = only(take_in(a_radiograph(tmp_path).parent, KEYED))
    (tmp_path / "b.dcm").write_bytes((tmp_path / "a.dcm").read_bytes())

    intake = take_in(tmp_path, KEYED)

    assert codes(intake) == {"copy-of": 1}
    assert only(intake).scan_id == alone.scan_id
    assert len({row.scan_id for row in intake.linkage}) == 2


def test_readable_names_that_cannot_be_told_apart_stop_the_stage(
    tmp_path: Path,
) -> None:
    for name in ("a.jpg", "a.png", "a_1.png"):
        (tmp_path / name).write_bytes(encode_png(GREY))

    with pytest.raises(DatasetError, match="name more than one scan, first 'a_1'"):
        take_in(tmp_path)


def test_same_image_as_picture_and_radiograph_is_a_copy(tmp_path: Path) -> None:
    voxels = GREY[np.newaxis]
    series = Series(
        modality="DX", voxels=voxels, spacing_mm=(1, 1, 1), extra=dict(NO_PLACE)
    )
    write_series(tmp_path / "d", series)
    (tmp_path / "p.png").write_bytes(encode_png(GREY))

    assert codes(take_in(tmp_path)) == {"copy-of": 1}


@pytest.mark.parametrize("keep", [20, 60])
def test_truncated_picture_is_quarantined(tmp_path: Path, keep: int) -> None:
    (tmp_path / "a.png").write_bytes(encode_png(GREY))
    (tmp_path / "b.png").write_bytes(encode_png(GREY)[:keep])

    (row,) = take_in(tmp_path).quarantine

    assert row.path.name == "b.png"
    assert row.code in {FindingCode.UNREADABLE_FILE, FindingCode.UNDECODABLE_PIXELS}


def test_picture_of_too_many_pixels_is_quarantined(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode_png(GREY))
    large = bytearray(encode_png(GREY))
    large[16:24] = (1 << 16).to_bytes(4, "big") * 2
    (tmp_path / "b.png").write_bytes(bytes(large))

    problem, _ = picture_findings(tmp_path / "b.png")

    # Pillow checks the size before the checksum that was not put right.
    assert problem is not None
    assert row_of(take_in(tmp_path), problem.code.value).path.name == "b.png"


@pytest.mark.parametrize("modality", ["CT", "DX"])
def test_scan_of_too_many_voxels_is_quarantined_by_its_header(
    tmp_path: Path, modality: str
) -> None:
    (tmp_path / "a.png").write_bytes(encode_png(GREY))
    for k in range(2):
        dataset = compressed(a_slice(Series(modality=modality), k), RLELossless)
        dataset.Rows = dataset.Columns = 60_000
        save_dicom(dataset, tmp_path / f"{k}.dcm")

    rows = [r for r in take_in(tmp_path).quarantine if r.path.name != "a.png"]

    assert {row.code for row in rows} == {FindingCode.TOO_LARGE}
    assert "60000 x 60000" in rows[0].detail


def test_scan_within_the_bound_has_no_finding() -> None:
    assert size_findings((512, 512, 8192)) == []
    assert size_findings((512, 512, 8193)) != []
