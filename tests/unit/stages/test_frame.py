import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.stages.makers import a_context, a_copying_stage, put_input
from voxray.core.errors import ConfigError, DatasetError, ManifestError
from voxray.stages.frame import (
    RECORD_NAME,
    StageContext,
    StageOutcome,
    earlier,
    read_record,
    require_stage,
    run_stage,
)


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    made = a_context(tmp_path)
    put_input(made)
    return made


def test_a_stage_runs_once_and_is_skipped_after(context):
    runs: list[str] = []
    stage = a_copying_stage(runs)

    first, second = run_stage(stage, context), run_stage(stage, context)

    assert runs == ["run"]
    assert not first.skipped
    assert second == replace(first, skipped=True)


def test_force_runs_what_is_up_to_date(context):
    runs: list[str] = []
    run_stage(a_copying_stage(runs), context)
    run_stage(a_copying_stage(runs), context, force=True)
    assert runs == ["run", "run"]


def test_a_changed_input_runs_again_and_is_named(context):
    said: list[str] = []
    run_stage(a_copying_stage([]), context)
    put_input(context, "2")
    run_stage(a_copying_stage([]), replace(context, say=said.append))
    assert said == ["copy: runs again, changed: input input"]
    assert (context.folder / "copy" / "copy.txt").read_text() == "2"


def test_a_changed_setting_runs_again_and_is_named(context):
    said: list[str] = []
    run_stage(a_copying_stage([]), context)
    other = context.experiment.model_copy(update={"seed": 7})
    run_stage(a_copying_stage([]), replace(context, experiment=other, say=said.append))
    assert said == ["copy: runs again, changed: setting seed"]


@pytest.mark.parametrize("change", ["edit", "delete", "add"])
def test_a_changed_output_runs_again(context, change):
    runs: list[str] = []
    run_stage(a_copying_stage(runs), context)
    output = context.folder / "copy" / "copy.txt"
    if change == "edit":
        output.write_text("another")
    elif change == "delete":
        output.unlink()
    else:
        output.with_name("stranger.txt").write_text("x")
    run_stage(a_copying_stage(runs), context)
    assert runs == ["run", "run"]


def test_hidden_files_are_no_outputs(context):
    runs: list[str] = []
    run_stage(a_copying_stage(runs), context)
    (context.folder / "copy" / ".DS_Store").write_text("x")
    run_stage(a_copying_stage(runs), context)
    assert runs == ["run"]


def test_a_cache_counts_by_size_and_time(context):
    def run(of: StageContext) -> StageOutcome:
        folder = of.folder / "copy" / "arrays"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "a.npy").write_bytes(b"12")
        return StageOutcome({}, "done")

    stage = a_copying_stage([], run=run, caches=("arrays",))
    run_stage(stage, context)
    record = read_record(context.folder / "copy")
    assert record is not None
    assert record.outputs["arrays/a.npy"]["size_bytes"] == 2
    assert run_stage(stage, context).skipped
    (context.folder / "copy" / "arrays" / "a.npy").write_bytes(b"123")
    assert not run_stage(stage, context).skipped


def test_a_stage_that_fails_leaves_no_record(context):
    def run(_context: StageContext) -> StageOutcome:
        msg = "broken rule"
        raise DatasetError(msg)

    run_stage(a_copying_stage([]), context)
    put_input(context, "2")
    with pytest.raises(DatasetError, match="broken rule"):
        run_stage(a_copying_stage([], run=run), context)
    assert not (context.folder / "copy" / RECORD_NAME).exists()


def test_an_unreadable_record_counts_as_none(context):
    runs: list[str] = []
    run_stage(a_copying_stage(runs), context)
    (context.folder / "copy" / RECORD_NAME).write_text("{")
    run_stage(a_copying_stage(runs), context)
    assert runs == ["run", "run"]


def test_the_record_says_what_it_was_made_from_but_no_path(context):
    stage = a_copying_stage(
        [], config=lambda e: {"data": {"scans": str(e.data.scans)}, "empty": {}}
    )
    run_stage(stage, context)
    text = (context.folder / "copy" / RECORD_NAME).read_text()
    record = json.loads(text)
    assert record["schema_version"] == 1
    assert set(record["made_from"]["config"]) == {"data.scans", "empty"}
    assert str(context.experiment.data.scans) not in text


def test_a_config_that_is_no_mapping_is_hashed_whole(context):
    run_stage(a_copying_stage([], config=lambda _e: [1, 2]), context)
    record = read_record(context.folder / "copy")
    assert record is not None
    assert set(record.config) == {"all"}


def test_earlier_gives_the_hash_of_one_output(context):
    run_stage(a_copying_stage([]), context)
    before = earlier(context, "copy", "copy.txt")
    put_input(context, "2")
    run_stage(a_copying_stage([]), context)
    after = earlier(context, "copy", "copy.txt")
    assert list(before) == ["copy/copy.txt"]
    assert before != after


def test_earlier_without_names_covers_the_folder(context):
    run_stage(a_copying_stage([]), context)
    before = earlier(context, "copy")
    run_stage(a_copying_stage([]), context, force=True)
    assert earlier(context, "copy") == before
    put_input(context, "2")
    run_stage(a_copying_stage([]), context)
    assert earlier(context, "copy") != before


def test_earlier_refuses_a_stage_that_never_ran(context):
    with pytest.raises(ConfigError, match="'copy' has not finished"):
        earlier(context, "copy")


def test_earlier_refuses_a_file_that_was_not_written(context):
    run_stage(a_copying_stage([]), context)
    with pytest.raises(ConfigError, match=r"wrote no 'other\.csv'"):
        earlier(context, "copy", "other.csv")


def test_require_accepts_a_complete_stage(context):
    run_stage(a_copying_stage([]), context)
    require_stage(a_copying_stage([]), context)


def test_require_refuses_a_stage_that_never_ran(context):
    with pytest.raises(ConfigError, match="'copy' has not finished"):
        require_stage(a_copying_stage([]), context)


def test_require_refuses_a_stale_stage(context):
    run_stage(a_copying_stage([]), context)
    (context.folder / "copy" / "copy.txt").write_text("edited")
    with pytest.raises(ManifestError, match=r"output copy\.txt; run again with --from"):
        require_stage(a_copying_stage([]), context)


def test_many_changed_outputs_are_shortened(context):
    run_stage(a_copying_stage([]), context)
    for name in "abcde":
        (context.folder / "copy" / name).write_text("x")
    with pytest.raises(ManifestError, match="output c, and 2 more"):
        require_stage(a_copying_stage([]), context)
