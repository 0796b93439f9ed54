from typing import Any

import pytest

from tests.unit.report.intake_makers import (
    a_pair,
    a_seen_scan,
    an_intake,
    an_unused,
)
from voxray.core.findings import FindingCode as C
from voxray.core.records import PatientId
from voxray.report.intake_verdict import verdict

SCANS = [a_seen_scan(f"s{n}") for n in range(20)]


def said(*scans: Any, **changes: Any) -> list[str]:
    """The sentence, then the concerns."""
    judged = verdict(an_intake(*SCANS, *scans, **changes))
    return [judged.sentence, *(concern.text for concern in judged.concerns)]


def test_a_set_without_findings_is_sane() -> None:
    assert said() == ["The set looks sane: nothing stands out."]


def test_near_copies_across_patients_forbid_training() -> None:
    sentence, first, second = said(
        a_seen_scan("odd", C.NEAR_COPY), near_copies=(a_pair("a", "b"),)
    )
    assert sentence.startswith("Do not train on this set before")
    assert first.startswith("1 pair of scans of different patients")
    assert "near-copy (1)" in second


def test_near_copies_of_one_patient_deserve_a_look() -> None:
    sentence, first = said(near_copies=(a_pair("a", "b", same_patient=True),))
    assert sentence == "The set looks usable; the points below deserve a look."
    assert first == "1 pair of scans of one patient are nearly the same."


@pytest.mark.parametrize(("n_refused", "grave"), [(1, False), (10, True)])
def test_many_refusals_are_grave(n_refused: int, grave: bool) -> None:
    content = an_intake(*SCANS, unused=(an_unused(C.MISSING_SLICE),) * n_refused)
    (concern,) = verdict(content).concerns
    assert concern.grave == grave
    assert f"missing-slice ({n_refused})" in concern.text


def test_what_is_left_out_as_it_should_be_is_no_concern() -> None:
    assert len(said(unused=(an_unused(C.NOT_SELECTED), an_unused(C.LOCALIZER)))) == 1


def test_exact_copies_and_links_are_told() -> None:
    links = ((PatientId("p1"), PatientId("p2")),)
    _, copies, linked = said(unused=(an_unused(C.COPY_OF),) * 8, linked_patients=links)
    assert copies == "8 scans left out as exact copies of other scans."
    assert linked == "1 pair of patients linked, never to be split."


def test_odd_scans_are_counted_by_code() -> None:
    _, first = said(
        a_seen_scan("a", C.UNLIKE_SIBLINGS), a_seen_scan("b", C.CLIPPED_INTENSITIES)
    )
    assert "unlike-siblings (1), clipped-intensities (1)" in first


def test_unverified_scans_and_rows_without_a_scan_are_told() -> None:
    _, extent, rows = said(
        a_seen_scan("a", C.EXTENT_UNVERIFIED), label_rows_without_scan=1
    )
    assert extent.startswith("1 scan may lack slices at an end")
    assert rows == "1 row of the label table names no scan found here."


def test_without_scans_there_is_nothing_to_train_on() -> None:
    assert verdict(an_intake()).sentence == "No scan can be used."
