import pytest

from tests.makers import Series, write_series
from tests.unit.ingest.makers import RULES, codes, take_in
from voxray.core.errors import ConfigError
from voxray.core.findings import POLICY, Action, FindingCode
from voxray.core.records import ScanState
from voxray.ingest.output import summary
from voxray.ingest.overrides import read_overrides, way_round

HEAD = "scan,code,who,why"


def a_list(folder, *lines, head=HEAD):
    path = folder / "overrides.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def with_a_gap(folder):
    files = write_series(folder / "scans" / "a", Series(n_slices=6))
    files[2].unlink()
    return folder / "scans"


def test_a_signed_scan_is_used_and_says_who_and_why(tmp_path):
    scans = with_a_gap(tmp_path)
    signed = a_list(tmp_path, "a,missing-slice,M. Huber,outside  the lesion")

    intake = take_in(scans, overrides=signed)

    (record,) = intake.records
    (finding,) = [f for f in record.findings if f.code is FindingCode.MISSING_SLICE]
    assert record.state is ScanState.OVERRIDDEN
    assert finding.override == "M. Huber: outside the lesion"
    assert intake.unused_overrides == 0


def test_the_gap_of_a_signed_scan_is_filled_at_even_steps(tmp_path):
    scans = with_a_gap(tmp_path)
    signed = a_list(tmp_path, "a,missing-slice,me,because")

    intake = take_in(scans, overrides=signed)

    (record,) = intake.records
    assert record.grid.shape == (6, 8, 6)
    assert record.grid.spacing_mm.k == pytest.approx(2)
    (source,) = intake.sources.values()
    assert source.repairs == (FindingCode.UNEVEN_SPACING,)


def test_a_policy_may_repair_gaps_of_all_scans(tmp_path):
    policy = {FindingCode.MISSING_SLICE: Action.REPAIR}

    intake = take_in(
        with_a_gap(tmp_path), rules=RULES.model_copy(update={"policy": policy})
    )

    (record,) = intake.records
    assert record.state is ScanState.REPAIRED
    assert record.grid.shape == (6, 8, 6)


def test_another_problem_still_refuses_and_needs_its_own_line(tmp_path):
    series = Series(n_slices=6, extra={"ImageType": ["DERIVED", "LOCALIZER"]})
    write_series(tmp_path / "scans" / "a", series)[2].unlink()
    one = a_list(tmp_path, "a,localizer,me,it is none")

    refused = take_in(tmp_path / "scans", overrides=one)
    both = a_list(tmp_path, "a,localizer,me,it is none", "a,missing-slice,me,small")
    used = take_in(tmp_path / "scans", overrides=both)

    assert codes(refused) == {"missing-slice": 1}
    assert len(used.records) == 1


def test_a_line_that_changed_nothing_is_counted_and_said(tmp_path):
    write_series(tmp_path / "scans" / "a")
    signed = a_list(tmp_path, "a,missing-slice,me,x", "b,localizer,me,x")

    intake = take_in(tmp_path / "scans", overrides=signed)

    assert intake.unused_overrides == 2
    assert summary(intake)["notes"] == [
        "2 lines of data.overrides changed nothing: no such scan, or not refused for "
        "that"
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a,missing-slice,,why"], "line 2 has no who"),
        (["a,missing-slice,me,why", "b,localizer, ,"], "line 3 has no who and no why"),
        (["a,truncated-file,me,why"], "line 2: a scan with 'truncated-file' cannot"),
        (["a,no-such-code,me,why"], "a scan with 'no-such-code' cannot be used"),
        (["a,copy-of,me,why"], "a scan with 'copy-of' cannot be used"),
    ],
)
def test_a_wrong_line_is_refused_by_its_number(tmp_path, lines, message):
    with pytest.raises(ConfigError, match=message):
        read_overrides(a_list(tmp_path, *lines))


def test_a_list_without_a_column_is_refused(tmp_path):
    path = a_list(tmp_path, "a,missing-slice,me", head="scan,code,who")

    with pytest.raises(ConfigError, match="lacks the columns why; it needs scan, code"):
        read_overrides(path)


def test_a_list_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*No such file"):
        read_overrides(tmp_path / "none.csv")


def test_a_list_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "o.csv"
    path.write_bytes(HEAD.encode() + b"\na,localizer,M\xfcller,x\n")

    with pytest.raises(ConfigError, match="no CSV in UTF-8"):
        read_overrides(path)


def test_only_a_code_with_a_choice_can_be_lifted():
    possible = {code for code in FindingCode if way_round(code) is not None}

    assert FindingCode.MISSING_SLICE in possible
    assert all(POLICY[code].choices for code in possible)
    assert not possible & {
        FindingCode.COPY_OF,
        FindingCode.COPY_CONFLICT,
        FindingCode.MIXED_PATIENTS,
        FindingCode.TRUNCATED_FILE,
        FindingCode.NO_PATIENT,
    }
