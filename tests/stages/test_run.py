from pathlib import Path

import pytest

from tests.makers import write_nifti
from tests.stages.makers import a_session, an_experiment, write_scans
from voxray.core.errors import ConfigError, LeakageError, ManifestError
from voxray.stages.frame import StageOutcome
from voxray.stages.run import Span, check_paths, exit_code, run_experiment

INGEST = Span("ingest", "ingest")
SPLIT = Span("split_folds", "split_folds")


@pytest.mark.parametrize(
    ("outcome", "lax", "strict"),
    [
        (StageOutcome({}, ""), 0, 0),
        (StageOutcome({}, "", n_unused=1), 0, 4),
        (StageOutcome({}, "", n_failed=1), 4, 4),
    ],
)
def test_unused_counts_when_strict_and_failed_always(outcome, lax, strict):
    assert exit_code([outcome], strict=False) == lax
    assert exit_code([outcome], strict=True) == strict


def test_a_span_names_its_stages():
    assert Span("train", "evaluate").names() == ("train", "evaluate")
    assert len(Span().names()) == 8


@pytest.mark.parametrize(
    ("span", "problem"),
    [
        (Span("trian"), "no stage 'trian'; stages: ingest, preprocess"),
        (Span("train", "ingest"), "--until ingest comes before --from train"),
    ],
)
def test_an_impossible_span_is_refused(span, problem):
    with pytest.raises(ConfigError, match=problem):
        span.names()


def test_every_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_paths(an_experiment(tmp_path))
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["data.scans", "data.masks"]


def test_a_missing_path_leaves_no_workspace(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        run_experiment(an_experiment(tmp_path), a_session(tmp_path, []))
    assert list(tmp_path.iterdir()) == []


def test_the_last_line_has_counts(tmp_path: Path) -> None:
    write_scans(tmp_path)
    write_nifti(tmp_path / "scans" / "lonely.nii.gz", seed=77)
    said: list[str] = []
    code = run_experiment(an_experiment(tmp_path), a_session(tmp_path, said), INGEST)
    assert code == 0
    assert said[0] == "1 ingest: find, check and pseudonymise the scans"
    assert said[-1].startswith(
        "finished 1 stage, 0 of them up to date: 1 input not used, 0 scans failed"
    )


def test_a_second_run_says_what_is_up_to_date_and_stays_strict(tmp_path: Path) -> None:
    write_scans(tmp_path)
    write_nifti(tmp_path / "scans" / "lonely.nii.gz", seed=77)
    said: list[str] = []
    session = a_session(tmp_path, said, strict=True)
    codes = [run_experiment(an_experiment(tmp_path), session, INGEST) for _ in "12"]
    assert codes == [4, 4]
    assert said[-2].startswith("1 ingest: up to date: 7 files: 6 scans")


def test_a_stage_alone_needs_the_earlier_ones(tmp_path: Path) -> None:
    write_scans(tmp_path)
    with pytest.raises(ConfigError, match="'ingest' has not finished"):
        run_experiment(an_experiment(tmp_path), a_session(tmp_path, []), SPLIT)


def test_a_stage_alone_refuses_stale_earlier_ones(tmp_path: Path) -> None:
    write_scans(tmp_path)
    session = a_session(tmp_path, [])
    run_experiment(an_experiment(tmp_path), session, INGEST)
    write_nifti(tmp_path / "scans" / "new.nii.gz", seed=9)
    with pytest.raises(ManifestError, match=r"ingest is out of date.*input scans"):
        run_experiment(an_experiment(tmp_path), session, SPLIT)


def test_a_leak_stops_a_whole_run(tmp_path: Path) -> None:
    write_scans(tmp_path)
    session = a_session(tmp_path, [])
    whole = Span("ingest", "split_folds")
    run_experiment(an_experiment(tmp_path), session, whole)
    table = tmp_path / "workspace" / "toy" / "folds" / "folds.csv"
    header, first, *rest = table.read_text().splitlines()
    other = first.replace("0,0,", "0,1,", 1)
    table.write_text("\n".join([header, first, other, *rest]) + "\n")
    with pytest.raises(LeakageError, match=first.split(",")[2]):
        run_experiment(an_experiment(tmp_path), session, whole)
