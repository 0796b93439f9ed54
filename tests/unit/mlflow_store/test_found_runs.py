import pytest

from voxray.core.errors import ConfigError
from voxray.mlflow_store import (
    fetch_files,
    find_run,
    log_files,
    start_fold,
    start_parent,
)


def test_a_run_is_found_by_id_and_by_name(store, fresh_name):
    run = start_parent(store, fresh_name, f"{fresh_name} run")
    by_id = find_run(store, run.run_id)
    assert by_id == find_run(store, f"{fresh_name} run")
    assert (by_id.run_id, by_id.name) == (run.run_id, f"{fresh_name} run")


def test_a_fold_of_the_same_name_does_not_count(store, fresh_name):
    run = start_parent(store, fresh_name, "fold 0")
    start_fold(store, run, 0, 0)
    assert find_run(store, "fold 0").run_id == run.run_id


def test_a_name_of_several_runs_is_refused_with_their_ids(store, fresh_name):
    runs = [start_parent(store, fresh_name, f"{fresh_name}-twice") for _ in range(2)]
    with pytest.raises(ConfigError, match="2 runs are named") as caught:
        find_run(store, f"{fresh_name}-twice")
    assert all(run.run_id in str(caught.value) for run in runs)


@pytest.mark.parametrize("named", ["nothing", "0" * 32, "it's", 'it\'s "so"'])
def test_a_run_that_is_not_there_is_refused(store, named):
    with pytest.raises(ConfigError, match="there is no run with the id or name"):
        find_run(store, named)


def test_files_are_fetched_into_a_folder(store, run, tmp_path):
    log_files(store, run.run_id, {"a.json": "{}", "b.csv": "x"}, "tables")
    folder = fetch_files(store, run.run_id, "tables", ["a.json"], tmp_path)
    assert [path.name for path in folder.iterdir()] == ["a.json"]


def test_a_file_that_the_run_lacks_is_named(store, run, tmp_path):
    log_files(store, run.run_id, {"a.json": "{}"}, "tables")
    with pytest.raises(ConfigError, match=r"has no 'b.json' in its folder 'tables'"):
        fetch_files(store, run.run_id, "tables", ["a.json", "b.json"], tmp_path)


def test_a_run_without_the_folder_is_refused(store, run, tmp_path):
    with pytest.raises(ConfigError, match="stage 5 has not finished"):
        fetch_files(store, run.run_id, "tables", ["a.json"], tmp_path)
