"""Exit codes and messages of the command, called in this process."""

import sys
from pathlib import Path

import pytest

import voxray
from tests.makers import write_nifti
from tests.stages.makers import write_scans
from tests.unit.datasets.makers import write_decathlon
from voxray.cli import app as app_module
from voxray.cli.app import run_one_stage

EXPERIMENT = """
name: toy
data: {scans: scans, masks: masks, patient: each_file, ids: path}
task: {segment: {classes: {lesion: {value: 1}}}}
folds: {n: 2}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    write_scans(tmp_path)
    file = tmp_path / "toy.yaml"
    file.write_text(EXPERIMENT)
    return file


def test_the_version_is_shown(call):
    assert call("--version").stdout == f"voxray {voxray.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["run"], ["ingest", "x"], ["run", "x", "--nonsense"]]
)
def test_wrong_usage_ends_in_2(call, arguments):
    assert call(*arguments).exit_code == 2


@pytest.mark.parametrize("command", ["demo", "ingest", "run", "score", "ui"])
def test_every_command_has_the_common_options(call, command):
    shown = call(command, "--help").stdout
    assert all(o in shown for o in ("--workspace", "--strict", "--verbose"))


def test_a_missing_experiment_is_one_line(call):
    done = call("run", "none.yaml")
    assert done.exit_code == 2
    assert done.stderr.startswith(
        "error: the experiment file 'none.yaml' does not exist"
    )
    assert done.stderr.count("\n") == 1


def test_an_unknown_key_names_the_nearest_and_writes_nothing(call, study, tmp_path):
    done = call("run", str(study), "--set", "train.stps=3")
    assert done.exit_code == 2
    assert "did you mean 'steps'?" in done.stderr
    assert not (tmp_path / "workspace").exists()


def test_an_unknown_stage_is_refused(call, study):
    done = call("run", str(study), "--until", "trian")
    assert done.exit_code == 2
    assert "there is no stage 'trian'" in done.stderr


def test_a_run_ends_with_counts_and_runs_again_at_once(call, study, tmp_path):
    arguments = ["run", str(study), "--until", "ingest", "--workers", "1"]
    first, second = call(*arguments), call(*arguments)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout.splitlines()[-1].startswith("finished 1 stage, 0 of them up")
    assert second.stdout.splitlines()[-1].startswith("finished 1 stage, 1 of them up")
    assert (tmp_path / "workspace" / "toy" / "ingest" / "manifest.csv").exists()


def test_force_runs_again(call, study):
    arguments = ["run", str(study), "--until", "ingest", "--workers", "1"]
    call(*arguments)
    assert "0 of them up to date" in call(*arguments, "--force").stdout


def test_a_workspace_of_another_experiment_is_refused(call, study, tmp_path):
    folder = tmp_path / "elsewhere" / "toy"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("x")
    done = call("run", str(study), "--workspace", str(tmp_path / "elsewhere"))
    assert done.exit_code == 2
    assert "voxray did not write" in done.stderr
    assert [p.name for p in folder.iterdir()] == ["thesis.txt"]


def test_a_scan_without_patient_ends_in_3(call, study, tmp_path):
    done = call("run", str(study), "--set", "data.patient=dicom", "--workers", "1")
    assert done.exit_code == 3
    assert "data.patient" in done.stderr
    assert not (tmp_path / "workspace" / "toy").exists()


def test_ingest_writes_flat_and_strict_minds_what_is_not_used(call, tmp_path):
    write_scans(tmp_path)
    write_nifti(tmp_path / "scans" / "bad.nii.gz").write_bytes(b"no image")
    (tmp_path / "rules.yaml").write_text("{patient: each_file}")
    arguments = ["ingest", "scans", "--out", "out", "--rules", "rules.yaml"]
    arguments += ["--masks", "masks", "--readable-ids", "--workers", "1"]
    lax, strict = call(*arguments), call(*arguments, "--strict")
    assert (lax.exit_code, strict.exit_code) == (0, 4), lax.stderr
    assert "6 scans of 6 patients accepted, 1 not used" in lax.stdout
    assert "c0" in (tmp_path / "out" / "manifest.csv").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["ingest", "scans", "--out", "scans/out", "--set", "data.patient=each_file"],
        ["score", "scans", "--out", "scans/out", "--model", "model"],
        ["run", "toy.yaml", "--workspace", "scans/workspace"],
    ],
)
@pytest.mark.usefixtures("study")
def test_no_command_writes_below_the_scans(call, tmp_path, arguments):
    before = sorted((tmp_path / "scans").rglob("*"))
    done = call(*arguments)
    assert done.exit_code == 2
    assert "lies in the scan folder" in done.stderr
    assert sorted((tmp_path / "scans").rglob("*")) == before


@pytest.mark.parametrize(
    ("make", "problem"),
    [("empty", "holds no file"), ("none", "does not exist"), ("text", "none of them")],
)
def test_without_scans_nothing_is_written(call, tmp_path, make, problem):
    if make != "none":
        (tmp_path / "scans").mkdir()
    if make == "text":
        (tmp_path / "scans" / "a.txt").write_text("x")
    done = call("ingest", "scans", "--out", "out", "--workers", "1")
    assert done.exit_code == 2
    assert problem in done.stderr
    assert not (tmp_path / "out").exists()


def test_no_models_are_listed_without_making_a_store(call, tmp_path):
    done = call("models", "list")
    assert (done.exit_code, done.stdout) == (0, "0 models\n")
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["models", "show", "models:/toy@champion"],
        ["models", "promote", "models:/toy/1"],
        ["models", "rollback", "toy"],
        ["models", "export", "models:/toy/1", "--to", "out"],
        ["ui"],
    ],
)
def test_a_workspace_without_a_store_ends_in_2(call, tmp_path, arguments):
    done = call(*arguments)
    assert done.exit_code == 2
    assert "nothing was recorded in the workspace" in done.stderr
    assert not (tmp_path / "workspace").exists()


def test_an_unknown_data_set_ends_in_2(call):
    done = call("data", "fetch", "brestmnist_64")
    assert done.exit_code == 2
    assert "did you mean 'breastmnist'?" in done.stderr


def test_data_sets_are_listed_with_their_number(call):
    done = call("data", "list")
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert lines[0].split() == ["name", "n", "task", "licence", "title"]
    assert lines[-1] == f"{len(lines) - 2} data sets"


def test_one_data_set_is_described_within_the_width_of_a_page(call):
    done = call("data", "list", "chestmnist")
    assert "13 hernia" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 88


def test_a_fetch_ends_with_counts_and_says_what_is_next(call, tmp_path):
    source = write_decathlon(tmp_path / "in", labels=("a",))
    arguments = ["data", "fetch", "hippocampus", "--source", str(source)]
    done = call(*arguments)
    *_, following, last = done.stdout.splitlines()
    assert following.startswith("next: voxray run data/hippocampus/experiment.yaml")
    assert last.endswith("3 files written, 0 kept")
    assert call(*arguments).stdout.endswith("0 files written, 3 kept\n")
    assert call(*arguments, "--strict").exit_code == 4


def test_what_was_fetched_is_ready_for_intake(call, tmp_path):
    source = write_decathlon(tmp_path / "in")
    call("data", "fetch", "hippocampus", "--source", str(source))
    file = "data/hippocampus/experiment.yaml"
    done = call("run", file, "--until", "ingest", "--workers", "1")
    assert done.exit_code == 0
    assert "0 inputs not used" in done.stdout


def test_a_stage_script_runs_that_stage_of_the_experiment(study, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["1_ingest.py", str(study), "--workers", "1"])
    with pytest.raises(SystemExit) as ended:
        run_one_stage("ingest")
    assert ended.value.code == 0
    assert "finished 1 stage" in capsys.readouterr().out


def test_the_command_is_called_by_its_name(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["voxray", "--version"])
    with pytest.raises(SystemExit) as ended:
        app_module.main()
    assert ended.value.code == 0
    assert "voxray" in capsys.readouterr().out
