import pytest

from voxray.core.errors import ConfigError
from voxray.mlflow_store import (
    NewRun,
    fetch_files,
    find_run,
    open_store,
    tags_of_runs,
)


@pytest.fixture
def record(tracker, fresh_name):
    """Records a run with these files in `tables`."""

    def make(name, parent=None, files=None):
        with tracker.start(NewRun(fresh_name, name), parent).under_way() as made:
            if files:
                made.log_files(files, "tables")
        return made

    return make


def test_a_run_is_found_by_id_and_by_name(store, tracker, record, fresh_name):
    run_id = tracker.run_id(record(f"{fresh_name} run").key)
    where, by_id = find_run([store], run_id)
    assert (where, by_id) == find_run([store], f"{fresh_name} run")
    assert (by_id.run_id, by_id.name) == (run_id, f"{fresh_name} run")


def test_a_fold_of_the_same_name_does_not_count(store, tracker, record, fresh_name):
    parent = record(f"{fresh_name} fold 0")
    record(f"{fresh_name} fold 0", parent.key)
    _, found = find_run([store], f"{fresh_name} fold 0")
    assert found.run_id == tracker.run_id(parent.key)


def test_a_name_of_several_runs_is_refused_with_their_ids(
    store, tracker, record, fresh_name
):
    runs = [record(f"{fresh_name}-twice") for _ in range(2)]
    with pytest.raises(ConfigError, match="2 runs are named") as caught:
        find_run([store], f"{fresh_name}-twice")
    assert all(tracker.run_id(run.key) in str(caught.value) for run in runs)


def test_a_run_is_looked_for_in_every_store(store, record, fresh_name, tmp_path):
    other = open_store(f"sqlite:///{tmp_path}/other.db", tmp_path)
    record(f"{fresh_name} far")

    assert find_run([other, store], f"{fresh_name} far")[0] == store
    with pytest.raises(ConfigError, match=r"in .*other.db, .*see them"):
        find_run([other, store], "nothing")


@pytest.mark.parametrize("named", ["nothing", "0" * 32, "it's", 'it\'s "so"'])
def test_a_run_that_is_not_there_is_refused(store, named):
    with pytest.raises(ConfigError, match="there is no run with the id or name"):
        find_run([store], named)


def test_tags_are_read_of_the_runs_that_have_another_one(store, tracker, fresh_name):
    for name, tags in {
        "first": {"set": fresh_name, "look.1": "a", "other": "x"},
        "second": {"set": fresh_name, "look.2": "b"},
        "third": {"set": "another", "look.1": "c"},
    }.items():
        with tracker.start(NewRun(fresh_name, name)).under_way() as run:
            run.set_tags(tags)

    assert tags_of_runs(store, ("set", fresh_name), "look.") == {"a", "b"}
    assert tags_of_runs(store, ("set", "nothing"), "look.") == frozenset()


def test_files_are_fetched_into_a_folder(store, tracker, record, tmp_path):
    run = record("run", files={"a.json": "{}", "b.csv": "x"})
    (tmp_path / "to").mkdir()
    folder = fetch_files(
        store, tracker.run_id(run.key), "tables", ["a.json"], tmp_path / "to"
    )
    assert [path.name for path in folder.iterdir()] == ["a.json"]


def test_a_file_that_the_run_lacks_is_named(store, tracker, record, tmp_path):
    run_id = tracker.run_id(record("run", files={"a.json": "{}"}).key)
    with pytest.raises(ConfigError, match=r"has no 'b.json' in its folder 'tables'"):
        fetch_files(store, run_id, "tables", ["a.json", "b.json"], tmp_path)


def test_a_run_without_the_folder_is_refused(store, run, tmp_path):
    with pytest.raises(ConfigError, match="stage 5 has not finished"):
        fetch_files(store, run.run_id, "tables", ["a.json"], tmp_path)
