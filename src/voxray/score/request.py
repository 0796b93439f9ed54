"""What is asked for when a folder is scored, and how its scans are then read."""

from dataclasses import dataclass, replace
from pathlib import Path

from voxray.core.specs import ExamColumn, IntakeRules, LabelsSpec, TaskSpec
from voxray.core.specs.data import PatientRule
from voxray.ingest import IntakeOptions


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the scans. A scan that lacks what the task needs is refused.

    Attributes:
        task: What must be known of every scan.
        patient: Who a scan belongs to.
        labels: Table; None where the task has no classes.
        masks: Folder; None where the task has no structures.
    """

    task: TaskSpec
    patient: PatientRule
    labels: LabelsSpec | None = None
    masks: Path | None = None


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """What to score, with what, and where the results go.

    Attributes:
        scans: Folder, or one file.
        model: Model folder.
        out: Results; a run that was killed there is continued.
        workers: Processes that read files.
        limit: Score at most this many exams; None for all.
        known: Labels, masks and patients; None of scans that nothing is known of.
    """

    scans: Path
    model: Path
    out: Path
    workers: int = 1
    limit: int | None = None
    known: Known | None = None


def intake_options(
    request: ScoreRequest, rules: IntakeRules, index: Path
) -> IntakeOptions:
    """How the folder is read.

    Args:
        request: What is asked for.
        rules: Of the model.
        index: File that remembers what was read, in a private folder.
    """
    plain = IntakeOptions(
        scans=request.scans,
        rules=_without_table(rules),
        workers=request.workers,
        duplicates="keep",
        patient_required=False,
        index=index,
    )
    known = request.known
    if known is None:
        return plain
    return replace(
        plain,
        rules=rules if known.labels else plain.rules,
        masks=known.masks,
        labels=known.labels,
        patient=known.patient,
        task=known.task,
        duplicates="link",
        patient_required=True,
    )


def _without_table(rules: IntakeRules) -> IntakeRules:
    """Take studies for exams that a label table named in training: there is none."""
    if isinstance(rules.exam, ExamColumn):
        return rules.model_copy(update={"exam": "study"})
    return rules
