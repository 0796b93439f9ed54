"""The cohort of two sequences is what it says: both series show one field of view."""

from pathlib import Path

from tests.stages.two_sequences import a_two_channel_experiment, a_two_sequence_cohort
from tests.unit.stages.makers import KEY
from voxray.core.ids import Pseudonymizer
from voxray.core.records import exams_of
from voxray.core.specs import IntakeRules
from voxray.ingest import Intake, IntakeOptions, ingest_folder


def taken_in(folder: Path) -> Intake:
    experiment = a_two_channel_experiment(folder)
    data = experiment.data
    options = IntakeOptions(
        data.scans,
        IntakeRules(channels=data.channels, exam=data.exam),
        masks=data.masks,
        labels=data.labels,
        task=experiment.task,
    )
    return ingest_folder(options, Pseudonymizer(KEY))


def test_every_patient_has_an_exam_of_two_channels_a_mask_and_a_label(tmp_path):
    a_two_sequence_cohort(tmp_path, 4)

    intake = taken_in(tmp_path)

    exams = exams_of(intake.records).values()
    assert [{r.channel for r in exam} for exam in exams] == [{"t1", "flair"}] * 4
    assert {row.code for row in intake.quarantine} == set()
    first = [next(r for r in exam if r.channel == "t1") for exam in exams]
    assert [r.grid.shape for r in first] == [(16, 20, 12)] * 4
    assert all(r.mask_path for r in first)
    assert sorted(str(r.labels["lesion"]) for r in first) == ["no", "no", "yes", "yes"]


def test_a_series_left_out_makes_its_exam_lack_a_channel(tmp_path):
    a_two_sequence_cohort(tmp_path, 4, lacking=[(2, "flair")])

    intake = taken_in(tmp_path)

    assert len(exams_of(intake.records)) == 3
    assert [row.code for row in intake.quarantine] == ["channel-missing"]
