"""What figures on labelled scans were computed from, and what they leave out."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from voxray.core.findings import FindingCode
from voxray.core.ids import Pseudonymizer
from voxray.core.records import ExamId, PatientId, ScoreStatus
from voxray.core.seen import knows_key, recognised
from voxray.core.specs import SeenScans
from voxray.core.wording import counted
from voxray.score import ScoreSummary
from voxray.stages.labelled import Scored
from voxray.stages.targets import class_name, labels_of
from voxray.stages.truth import not_judged

_NO_TRUTH = {
    FindingCode.NO_LABEL,
    FindingCode.UNKNOWN_LABEL,
    FindingCode.LABEL_CONFLICT,
    FindingCode.NO_MASK,
}


@dataclass(frozen=True, slots=True)
class Account:
    """Where every volume and every row of the label table went.

    Attributes:
        counts: By name, as in `evaluation.json`.
        excluded: Patients that a model has seen.
        sentences: The same for a person, without ids.
        examples: Rows of the label table that name no scan, as ids.
    """

    counts: Mapping[str, int]
    excluded: tuple[PatientId, ...]
    sentences: tuple[str, ...]
    examples: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """Sentences with examples, for who may see ids."""
        if not self.examples:
            return self.sentences
        return (*self.sentences, f"rows without scan: {', '.join(self.examples)} …")


def seen_patients(
    scored: Scored, lists: Sequence[SeenScans], pseudonymizer: Pseudonymizer
) -> frozenset[PatientId]:
    """Patients whom a model has seen, those linked to one by a copy among them."""
    records = [record for scans in scored.exams.values() for record in scans]
    found = frozenset[PatientId]()
    for seen in lists:
        found |= recognised(records, seen, pseudonymizer)
    linked = scored.summary.intake.linked_patients
    while more := {b for pair in linked for b in pair if found & set(pair)} - found:
        found |= more
    return found


def account_for(
    scored: Scored, excluded: Collection[PatientId], pseudonymizer: Pseudonymizer
) -> Account:
    """Say what was judged and what was not, with numbers."""
    summary = scored.summary
    n_volumes = len(summary.rows)
    lacking = Counter(
        str(row.reason_code) for row in summary.rows if row.reason_code in _NO_TRUTH
    )
    refused = _refused_by_intake(summary)
    used = [p for p in scored.said.predictions if p.patient_id not in excluded]
    judged_exams = {p.exam_id for p in used}
    counts = {
        "volumes": n_volumes,
        "volumes_without_truth": lacking.total(),
        "volumes_refused_by_intake": refused.total(),
        "label_rows_without_scan": summary.intake.label_rows_without_scan,
        "exams_scored": len(scored.said.predictions) + len(scored.failed),
        "exams_not_scored": len(_not_scored(scored)),
        "exams_referred": sum(
            row.refer is True and row.exam_id in judged_exams for row in summary.rows
        ),
        "exams_failed": len(_failed(scored)),
        "patients_seen_by_the_model": len(set(excluded)),
        "exams_of_seen_patients": len(scored.said.predictions) - len(used),
        "exams_judged": len(used),
        "patients_judged": len({p.patient_id for p in used}),
    }
    sentences = (
        *_coverage(len(summary.intake.records), counts, lacking),
        *_not_accepted(refused),
        *_overlap(scored, counts, pseudonymizer),
        *_unscored(scored, counts["exams_referred"]),
        *not_judged(scored.package, scored.truth),
    )
    judged = (
        f"{counted(counts['exams_judged'], 'exam')} of "
        f"{counted(counts['patients_judged'], 'patient')} are judged, by the model as "
        "it is registered"
    )
    return Account(
        counts,
        tuple(sorted(excluded)),
        (judged, *sentences),
        summary.intake.label_row_examples,
    )


def _coverage(
    n_known: int, counts: Mapping[str, int], lacking: Mapping[str, int]
) -> Iterator[str]:
    """`n_known` volumes are accepted and have their truth."""
    n = counts["volumes_without_truth"]
    total = n + n_known
    if n:
        why = ", ".join(f"{code} {times}" for code, times in sorted(lacking.items()))
        yield (
            f"labels and masks cover {total - n:,} of {counted(total, 'volume')} "
            f"({(total - n) / total:.0%}); the other {n:,} are not scored ({why}), and "
            "nothing is said of them"
        )
    if rows := counts["label_rows_without_scan"]:
        yield f"{counted(rows, 'row')} of the label table name no scan that was found"


def _refused_by_intake(summary: ScoreSummary) -> Counter[str]:
    """Reasons of volumes that were not accepted, though their truth may be there."""
    accepted = {record.scan_id for record in summary.intake.records}
    return Counter(
        str(row.reason_code)
        for row in summary.rows
        if row.status is ScoreStatus.REFUSED
        and row.scan_id not in accepted
        and row.reason_code not in _NO_TRUTH
    )


def _not_accepted(refused: Mapping[str, int]) -> Iterator[str]:
    if refused:
        n = sum(refused.values())
        why = ", ".join(f"{code} {times}" for code, times in sorted(refused.items()))
        yield (
            f"intake refused {counted(n, 'volume')} for the volume or its mask "
            f"({why}): no figure counts them"
        )


def _overlap(
    scored: Scored, counts: Mapping[str, int], pseudonymizer: Pseudonymizer
) -> Iterator[str]:
    if scored.seen is None:
        yield (
            "the model does not say what it was trained on: whether it has seen these "
            "patients is not known; register it again to find out"
        )
        return
    n, n_exams = counts["patients_seen_by_the_model"], counts["exams_of_seen_patients"]
    if n:
        yield (
            f"{counted(n, 'patient')} of {counted(n_exams, 'exam')} had a part in "
            "training, validation or calibration and are left out"
        )
        yield from _by_id_alone(scored, scored.seen, pseudonymizer)
    else:
        yield "no patient had a part in training, validation or calibration"
    if not knows_key(scored.seen, pseudonymizer):
        yield (
            "the model was made under another key for pseudonyms: patients are "
            "recognised by identical images only, not by their PatientID"
        )


def _by_id_alone(
    scored: Scored, seen: SeenScans, pseudonymizer: Pseudonymizer
) -> Iterator[str]:
    """Patients without a scan that was seen: numbers of two places may be the same."""
    records = [record for scans in scored.exams.values() for record in scans]
    images_only = seen.model_copy(update={"patients": ()})
    alike = recognised(records, images_only, pseudonymizer)
    by_id = recognised(records, seen, pseudonymizer) - alike
    if by_id:
        yield (
            f"{counted(len(by_id), 'patient')} of these have only the id of a patient "
            "that was seen, and no scan that was: if the ids of this place mean other "
            "people, give them ids of their own (--patient column:NAME)"
        )


def _failed(scored: Scored) -> set[ExamId]:
    """Exams of several channels have a row for each."""
    rows = scored.summary.rows
    failed = {row.exam_id for row in rows if row.status is ScoreStatus.FAILED}
    return failed | set(scored.failed)


def _unscored(scored: Scored, n_referred: int) -> Iterator[str]:
    left = _not_scored(scored)
    if left:
        reasons = Counter(
            str(row.reason_code)
            for row in scored.summary.rows
            if row.exam_id in left and row.status is not ScoreStatus.SCORED
        )
        why = ", ".join(f"{code} {n}" for code, n in sorted(reasons.items()))
        said = ", ".join(f"{name} {n}" for name, n in sorted(_truths(scored, left)))
        of_them = f"; true are {said}" if said else ""
        yield (
            f"{counted(len(left), 'labelled exam')} got no answer ({why}){of_them}: no "
            "figure counts them"
        )
    if n_referred:
        yield (
            f"{counted(n_referred, 'exam')} would be referred to a person: figures "
            "count what the model decides of them all the same"
        )
    if scored.failed:
        n = len(scored.failed)
        yield f"{counted(n, 'exam')} could not be compared: the mask cannot be read"


def _not_scored(scored: Scored) -> set[str]:
    """Accepted, labelled exams that the model refused or failed on."""
    answered = {row.exam_id for row in scored.said.predictions} | set(scored.failed)
    return {exam for exam in scored.exams if exam not in answered}


def _truths(scored: Scored, exams: Collection[str]) -> list[tuple[str, int]]:
    classify = scored.truth.task.classify
    found: Counter[str] = Counter()
    for exam_id, (first, *_) in scored.exams.items():
        if exam_id in exams:
            there = labels_of(first, classify).items()
            name = class_name(first, classify)
            found.update([label for label, is_so in there if is_so])
            found.update([] if name is None else [name])
    return list(found.items())
