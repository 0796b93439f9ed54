import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.makers import Series, write_nifti, write_series
from tests.stages.makers import a_session, a_study, write_scans
from voxray.core.errors import ConfigError, DatasetError
from voxray.core.ids import Pseudonymizer
from voxray.core.specs import ClassifySpec, DataSpec, LabelsSpec, TaskSpec
from voxray.stages.frame import run_stage
from voxray.stages.ingest import STAGE, ingest_into, read_links

WRITTEN = {
    "files.parquet",
    "manifest.csv",
    "quarantine.csv",
    "summary.json",
    "linkage.csv",
    "slices.parquet",
    "near_copies.csv",
    "intake.html",
    "thumbnails",
}


def column(path: Path, name: str) -> list[str]:
    with path.open(encoding="utf-8") as stream:
        return [row[name] for row in csv.DictReader(stream)]


def test_scans_with_masks_reach_the_manifest_and_the_rest_quarantine(
    tmp_path: Path,
) -> None:
    context = a_study(tmp_path, [])
    write_nifti(tmp_path / "scans" / "lonely.nii.gz", seed=99)
    (tmp_path / "scans" / "notes.txt").write_text("x")

    outcome = run_stage(STAGE, context)

    ingest = context.folder / "ingest"
    assert column(ingest / "manifest.csv", "scan_id") == [f"c{n}" for n in range(6)]
    codes = column(ingest / "quarantine.csv", "code")
    assert sorted(codes) == ["no-mask", "not-an-image"]
    assert outcome.n_unused == 2
    assert "6 scans of 6 patients accepted, 2 not used" in outcome.message


def test_the_folder_is_private_and_complete(tmp_path: Path) -> None:
    context = a_study(tmp_path, [])
    run_stage(STAGE, context)
    ingest = context.folder / "ingest"
    names = {p.name for p in ingest.iterdir()}
    assert names == WRITTEN | {"stage.json", ".index.sqlite"}
    assert (ingest / ".index.sqlite").stat().st_mode & 0o777 == 0o600
    assert ingest.stat().st_mode & 0o777 == 0o700


def test_an_unchanged_folder_is_skipped(tmp_path: Path) -> None:
    context = a_study(tmp_path, [])
    run_stage(STAGE, context)
    assert run_stage(STAGE, context).skipped


@pytest.mark.parametrize("change", ["scan", "mask", "key"])
def test_a_changed_input_is_taken_in_again(tmp_path: Path, change: str) -> None:
    context = a_study(tmp_path, [])
    run_stage(STAGE, context)
    if change == "key":
        context = replace(context, pseudonymizer=Pseudonymizer(b"o" * 32))
    else:
        folder = tmp_path / f"{change}s"
        write_nifti(folder / "new.nii.gz", seed=9)
    assert not run_stage(STAGE, context).skipped


def test_no_usable_scan_stops_the_run_and_says_where_to_look(tmp_path: Path) -> None:
    context = a_study(tmp_path, [])
    for mask in (tmp_path / "masks").iterdir():
        mask.unlink()
    with pytest.raises(DatasetError, match=r"no scan can be used.*no-mask 6"):
        run_stage(STAGE, context)
    assert (context.folder / "ingest" / "quarantine.csv").exists()


def test_a_folder_without_scans_writes_nothing(tmp_path: Path) -> None:
    context = a_study(tmp_path, [])
    for scan in (tmp_path / "scans").iterdir():
        scan.rename(scan.with_name("x.txt")).write_text("x")
    with pytest.raises(ConfigError, match="none of them DICOM or NIfTI"):
        run_stage(STAGE, context)
    assert not (context.folder / "ingest").exists()


def test_permuted_labels_are_said(tmp_path: Path) -> None:
    said: list[str] = []
    data = {
        "scans": tmp_path / "scans",
        "labels": {"table": tmp_path / "t.csv"},
        "patient": "each_file",
        "ids": "path",
        "permute_labels": 3,
    }
    task = {"classify": {"column": "sick", "classes": {"no": 0, "yes": 1}}}
    rows = "".join(f"c{n},{n % 2}\n" for n in range(6))
    (tmp_path / "t.csv").write_text("scan,sick\n" + rows)
    run_stage(STAGE, a_study(tmp_path, said, data=data, task=task))
    assert any("permuted between patients with seed 3" in line for line in said)


def test_copies_under_two_patients_are_linked(tmp_path: Path) -> None:
    context = a_study(tmp_path, [])
    write_nifti(tmp_path / "scans" / "c1.nii.gz", seed=0)
    run_stage(STAGE, context)
    assert read_links(context.folder / "ingest") == (("c0", "c1"),)


def test_the_command_checks_labels_where_the_task_is_known(tmp_path: Path) -> None:
    write_series(tmp_path / "scans")
    (tmp_path / "t.csv").write_text("scan,sick\n.,perhaps\n")
    labels = LabelsSpec(table=tmp_path / "t.csv")
    data = DataSpec(scans=tmp_path / "scans", labels=labels, ids="path")
    classify = ClassifySpec(column="sick", classes={"no": 0, "yes": 1})
    said: list[str] = []

    ingest_into(data, tmp_path / "a", a_session(tmp_path, said))
    task = TaskSpec(classify=classify)
    ingest_into(data, tmp_path / "b", a_session(tmp_path, said), task)

    assert "1 scan of 1 patient accepted, 0 not used" in said[0]
    assert "(unknown-label 1)" in said[-1]


def test_the_command_writes_the_same_files_flat(tmp_path: Path) -> None:
    said: list[str] = []
    write_series(tmp_path / "scans")
    (tmp_path / "scans" / "notes.txt").write_text("x")
    data = DataSpec(scans=tmp_path / "scans")
    out = tmp_path / "out"

    code = ingest_into(data, out, a_session(tmp_path, said))
    strict = ingest_into(data, out, a_session(tmp_path, said, strict=True))

    assert (code, strict) == (0, 4)
    names = {p.name for p in out.iterdir() if p.name[0] != "."}
    assert names == WRITTEN | {"stage.json"}
    assert "1 scan of 1 patient accepted, 1 not used (not-an-image 1)" in said[-1]


def test_an_unchanged_folder_is_not_looked_into_again(tmp_path: Path) -> None:
    said: list[str] = []
    write_series(tmp_path / "scans")
    data, out = DataSpec(scans=tmp_path / "scans"), tmp_path / "out"
    read: list[str] = []
    session = a_session(tmp_path, said, listen=lambda event: read.append(event.task))

    ingest_into(data, out, session)
    assert read
    read.clear()
    ingest_into(data, out, session)

    assert read == []
    assert said[-1].startswith("up to date: 5 files: 1 scan of")


@pytest.mark.parametrize("change", ["scan", "rule", "output", "key", "lost"])
def test_the_command_looks_again_when_anything_changed(
    tmp_path: Path, change: str
) -> None:
    said: list[str] = []
    write_series(tmp_path / "scans")
    data, out = DataSpec(scans=tmp_path / "scans"), tmp_path / "out"
    session = a_session(tmp_path, said)
    ingest_into(data, out, session)
    match change:
        case "scan":
            next((tmp_path / "scans").iterdir()).touch()
        case "rule":
            data = data.model_copy(update={"ids": "path"})
        case "output":
            (out / "manifest.csv").write_text("scan_id")
        case "lost":
            (out / "summary.json").unlink()
        case _:
            session = replace(session, key=b"o" * 32)
            out = tmp_path / "out2"

    ingest_into(data, out, session)

    assert not said[-1].startswith("up to date")
    assert {p.name for p in out.iterdir()} >= WRITTEN


def test_what_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    said: list[str] = []
    write_series(tmp_path / "scans")
    (tmp_path / "scans" / "bad.dcm").write_bytes(bytes(128) + b"DICM" + bytes(9))
    data, out = DataSpec(scans=tmp_path / "scans"), tmp_path / "out"

    for _ in range(2):
        ingest_into(data, out, a_session(tmp_path, said))

    assert "unreadable-file 1" in said[-1]
    assert not said[-1].startswith("up to date")


FULL = """
import resource, sys
from pathlib import Path
from tests.stages.makers import a_session
from voxray.core.errors import VoxrayError
from voxray.core.specs import DataSpec
from voxray.stages.ingest import ingest_into
folder, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    ingest_into(DataSpec(scans=folder / "scans"), folder / "out", a_session(folder, []))
except VoxrayError as error:
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("limit", [300, 3000, 20_000, 60_000])
def test_full_disk_ends_in_75_with_nothing_half_written(
    tmp_path: Path, limit: int
) -> None:
    write_series(tmp_path / "scans", Series(n_slices=150))
    arguments = [sys.executable, "-c", FULL, str(tmp_path), str(limit)]

    done = subprocess.run(arguments, check=False, capture_output=True, text=True)

    assert done.returncode == 75, done.stderr
    out = tmp_path / "out"
    names = {p.name for p in out.rglob("*")}
    assert "stage.json" not in names
    assert not [n for n in names if n[0] == "." and n.endswith((".parquet", ".csv"))]
    data = DataSpec(scans=tmp_path / "scans")
    assert ingest_into(data, out, a_session(tmp_path, [])) == 0


def test_the_command_refuses_a_folder_of_other_scans(tmp_path: Path) -> None:
    write_scans(tmp_path, 1)
    session = a_session(tmp_path, [])
    out = tmp_path / "out"
    scans = DataSpec(scans=tmp_path / "scans", patient="each_file")
    ingest_into(scans, out, session)
    masks = DataSpec(scans=tmp_path / "masks", patient="each_file")
    with pytest.raises(ConfigError, match="belongs to another experiment"):
        ingest_into(masks, out, session)


def test_the_page_shows_every_scan_and_no_name(tmp_path: Path) -> None:
    write_series(tmp_path / "scans", Series(patient="Secret-77", n_slices=40, rows=60))
    data = DataSpec(scans=tmp_path / "scans")
    said: list[str] = []

    ingest_into(data, tmp_path / "out", a_session(tmp_path, said))

    page = (tmp_path / "out" / "intake.html").read_text(encoding="utf-8")
    (scan_id,) = column(tmp_path / "out" / "manifest.csv", "scan_id")
    (picture,) = (tmp_path / "out" / "thumbnails").iterdir()
    assert scan_id in page
    assert f'src="thumbnails/{picture.name}"' in page
    assert "Secret" not in page
    assert str(tmp_path) not in page
    assert said[-1].endswith("intake.html")


def test_a_lost_picture_is_drawn_again(tmp_path: Path) -> None:
    context = a_study(tmp_path, [])
    run_stage(STAGE, context)
    pictures = sorted((context.folder / "ingest" / "thumbnails").iterdir())
    pictures[0].unlink()
    run_stage(STAGE, context)
    assert sorted((context.folder / "ingest" / "thumbnails").iterdir()) == pictures
