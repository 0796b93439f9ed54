import csv
import json
from pathlib import Path

import pytest

from tests.stages.makers import a_study
from voxray.core.errors import LeakageError, ManifestError
from voxray.stages import ingest
from voxray.stages.frame import StageContext, run_stage
from voxray.stages.split_folds import STAGE

Rows = list[dict[str, str]]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def context(tmp_path: Path, said: list[str]) -> StageContext:
    made = a_study(tmp_path, said)
    run_stage(ingest.STAGE, made)
    return made


def read_table(context: StageContext) -> Rows:
    text = (context.folder / "folds" / "folds.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def write_table(context: StageContext, rows: Rows) -> None:
    path = context.folder / "folds" / "folds.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def swap_folds(rows: Rows) -> Rows:
    return [row | {"fold": str(1 - int(row["fold"]))} for row in rows]


def audit_of(context: StageContext) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        (context.folder / "folds" / "audit.json").read_text()
    )
    return found


def test_every_patient_is_held_out_once_and_the_audit_passes(context):
    outcome = run_stage(STAGE, context)
    held_out = [r["patient_id"] for r in read_table(context) if r["role"] == "held_out"]
    assert sorted(held_out) == [f"c{n}" for n in range(6)]
    assert audit_of(context)["passed"] is True
    assert audit_of(context)["origin"] == "drawn"
    assert outcome.counts["patients"] == 6


def test_an_unchanged_split_is_skipped(context):
    run_stage(STAGE, context)
    assert run_stage(STAGE, context).skipped


def test_a_table_edited_by_hand_is_kept_audited_and_then_up_to_date(context, said):
    run_stage(STAGE, context)
    mine = swap_folds(read_table(context))
    write_table(context, mine)

    run_stage(STAGE, context)

    assert read_table(context) == mine
    assert audit_of(context)["origin"] == "by hand"
    assert "split_folds: folds.csv was edited by hand; it is kept and audited" in said
    assert run_stage(STAGE, context).skipped


def test_one_patient_put_in_two_folds_by_hand_stops_the_run_and_is_named(context):
    run_stage(STAGE, context)
    rows = read_table(context)
    leak = next(r for r in rows if (r["role"], r["fold"]) == ("held_out", "0"))
    write_table(context, [*rows, leak | {"fold": "1"}])
    for _ in range(2):
        with pytest.raises(LeakageError, match=f"'{leak['patient_id']}'.*delete it"):
            run_stage(STAGE, context)
    assert not (context.folder / "folds" / "stage.json").exists()


def test_deleting_the_table_draws_a_new_one(context):
    run_stage(STAGE, context)
    drawn = read_table(context)
    write_table(context, swap_folds(drawn))
    (context.folder / "folds" / "folds.csv").unlink()
    run_stage(STAGE, context)
    assert read_table(context) == drawn
    assert audit_of(context)["origin"] == "drawn"


def test_a_drawn_table_is_replaced_when_the_seed_changes(tmp_path, context):
    run_stage(STAGE, context)
    other = a_study(tmp_path, [], seed=2)
    run_stage(ingest.STAGE, other)
    run_stage(STAGE, other)
    assert audit_of(other)["origin"] == "drawn"


def test_a_table_of_other_folds_than_asked_for_is_refused(tmp_path, context):
    run_stage(STAGE, context)
    write_table(context, swap_folds(read_table(context)))
    other = a_study(tmp_path, [], folds={"n": 3})
    run_stage(ingest.STAGE, other)
    with pytest.raises(
        ManifestError, match=r"has 2 \(repeat, fold\) pairs, folds\.n = 3"
    ):
        run_stage(STAGE, other)


def test_a_broken_table_is_refused(context):
    run_stage(STAGE, context)
    (context.folder / "folds" / "folds.csv").write_text("a,b\n")
    with pytest.raises(ManifestError, match=r"lacks the columns.*delete it"):
        run_stage(STAGE, context)
