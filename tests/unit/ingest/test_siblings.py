from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest

from tests.unit.ingest.image_makers import a_body, a_grid, a_look
from voxray.core.findings import FindingCode
from voxray.core.records import ExamId, PatientId, ScanId, ScanRecord, Sha256
from voxray.ingest.looks import Look
from voxray.ingest.siblings import Siblings, Traits, compare_siblings

Cohort = dict[ScanId, tuple[ScanRecord, Traits]]
LOOK = a_look(a_body())


def a_scan(name: str, look: Look = LOOK, **changes: Any) -> tuple[ScanRecord, Traits]:
    """An MR of a brain, 40 x 44 x 36 mm, unless told otherwise."""
    body_part = changes.pop("body_part", "BRAIN")
    spacing_mm = changes.pop("spacing_mm", (1.0, 1.0, 1.0))
    record = ScanRecord(
        exam_id=ExamId(name),
        scan_id=ScanId(name),
        channel="image",
        patient_id=PatientId(name),
        study_id=name,
        modality="MR",
        path=PurePosixPath(name),
        mask_path=None,
        grid=a_grid((40, 44, 36), spacing_mm),
        sha256_pixels=Sha256(name),
    )
    return replace(record, **changes), Traits(look, body_part)


def compared(*scans: tuple[ScanRecord, Traits], n_usual: int = 12) -> Siblings:
    """These scans among `n_usual` plain ones."""
    usual = [a_scan(f"u{n:02}") for n in range(n_usual)]
    records = [record for record, _ in (*usual, *scans)]
    traits = {record.scan_id: trait for record, trait in (*usual, *scans)}
    return compare_siblings(records, traits)


def detail_of_the_odd_one(*scans: tuple[ScanRecord, Traits], **options: Any) -> str:
    found = compared(*scans, **options).findings
    (finding,) = found.values()
    assert list(found) == ["odd"]
    assert finding.code is FindingCode.UNLIKE_SIBLINGS
    return finding.detail


def test_equal_scans_are_not_odd() -> None:
    assert compared(a_scan("same")) == Siblings({}, ())


def test_a_ct_among_mrs_is_odd() -> None:
    detail = detail_of_the_odd_one(a_scan("odd", modality="CT"))
    assert detail == "modality CT, 12 of 13 scans MR"


def test_another_body_part_is_odd() -> None:
    detail = detail_of_the_odd_one(a_scan("odd", body_part="KNEE"))
    assert detail == "body part KNEE, 12 of 13 scans BRAIN"


def test_free_text_for_a_body_part_is_not_repeated() -> None:
    said = "knee of Anna, born 1980"
    assert "Anna" not in detail_of_the_odd_one(a_scan("odd", body_part=said))


def test_two_kinds_in_equal_parts_are_both_the_rule() -> None:
    others = [a_scan(f"ct{n}", modality="CT") for n in range(12)]
    assert compared(*others).findings == {}


def test_a_larger_field_of_view_is_odd_and_says_by_how_much() -> None:
    large = replace(LOOK, extent_mm=(512.0, 44.0, 36.0))
    assert detail_of_the_odd_one(a_scan("odd", large)) == (
        "field of view left-right 512 mm, nine of ten siblings 40 mm to 40 mm (n=12)"
    )


def test_a_difference_of_less_than_half_is_not_odd_among_equal_scans() -> None:
    larger = replace(LOOK, extent_mm=(55.0, 44.0, 36.0))
    assert compared(a_scan("same", larger)).findings == {}


def test_thick_slices_among_thin_ones_are_odd() -> None:
    detail = detail_of_the_odd_one(a_scan("odd", spacing_mm=(1.0, 1.0, 5.0)))
    assert detail.startswith("spacing foot-head 5 mm, nine of ten siblings 1 mm")


def test_a_wide_spread_of_sizes_lets_more_pass() -> None:
    sizes = np.linspace(20, 80, 13)
    spread = [
        a_scan(f"s{n}", replace(LOOK, extent_mm=(float(mm), 44.0, 36.0)))
        for n, mm in enumerate(sizes)
    ]
    assert compared(*spread, n_usual=0).findings == {}


def test_negative_values_among_positive_ones_are_odd() -> None:
    shifted = a_look(a_body() - 500)
    detail = detail_of_the_odd_one(a_scan("odd", shifted))
    assert "place of zero in the range" in detail


def test_the_scale_of_mr_values_does_not_matter() -> None:
    assert compared(a_scan("same", a_look(a_body() * 1e5))).findings == {}


def test_hounsfield_values_are_compared_as_they_are() -> None:
    usual = [a_scan(f"ct{n}", modality="CT") for n in range(12)]
    odd = a_scan("odd", a_look(a_body() + 1000), modality="CT")
    assert "median" in detail_of_the_odd_one(*usual, odd, n_usual=0)
    assert "HU" in detail_of_the_odd_one(*usual, odd, n_usual=0)


def test_a_mixture_is_said_once_and_blames_no_scan() -> None:
    large = replace(LOOK, extent_mm=(400.0, 44.0, 36.0))
    found = compared(*(a_scan(f"large{n}", large) for n in range(5)))
    assert found.findings == {}
    assert found.notes == (
        "the scans are a mixture in field of view left-right: 40 mm to 400 mm, median "
        "40 mm; 5 of 17 scans are far from it",
    )


@pytest.mark.parametrize("n_usual", [0, 3, 7])
def test_few_scans_make_no_rule(n_usual: int) -> None:
    found = compared(a_scan("odd", modality="CT"), n_usual=n_usual)
    assert found == Siblings({}, ())


def test_each_channel_is_compared_with_itself() -> None:
    others = [a_scan(f"ct{n}", modality="CT", channel="ct") for n in range(3)]
    assert compared(*others).findings == {}
