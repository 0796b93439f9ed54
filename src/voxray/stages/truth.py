"""How labelled scans of another place are judged: as in training, unless a person says.

A label table elsewhere has other columns, so each of them may be named anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from voxray.core.errors import ConfigError
from voxray.core.specs import (
    ClassifySpec,
    DecisionRule,
    ModelPackage,
    SegmentSpec,
    Target,
    TaskSpec,
    Truth,
)
from voxray.core.specs.data import (
    LabelBy,
    LabelKey,
    PatientColumn,
    PatientPattern,
    PatientRule,
)


@dataclass(frozen=True, slots=True)
class LabelledScans:
    """Scans whose truth is known, as a person names them.

    Attributes:
        scans: Folder, or one file.
        labels: Label table; None to judge masks only.
        masks: Folder with masks; None to judge classes only.
        key: Column of the table that names the scan; as in training by default.
        by: What the key names; as in training by default.
        column: Column of the label; as in training by default.
        patient: Who a scan belongs to; as in training by default.
    """

    scans: Path
    labels: Path | None = None
    masks: Path | None = None
    key: str | None = None
    by: LabelBy | None = None
    column: str | None = None
    patient: PatientRule | None = None


def labelled_scans(
    scans: Path,
    labels: Path | None,
    masks: Path | None,
    said: Mapping[str, str | None],
) -> LabelledScans:
    """From what stands in options or in a policy.

    Args:
        scans: Folder, or one file.
        labels: Table.
        masks: Folder.
        said: "key", "by", "column" and "patient"; None is as in training.

    Raises:
        ConfigError: If "by" or "patient" is nothing that can be.
    """
    by, patient = said.get("by"), said.get("patient")
    if by is not None and by not in get_args(LabelBy):
        msg = f"--by {by!r} is none of {', '.join(get_args(LabelBy))}"
        raise ConfigError(msg)
    return LabelledScans(
        scans,
        labels,
        masks,
        key=said.get("key"),
        by=cast("LabelBy | None", by),
        column=said.get("column"),
        patient=None if patient is None else _patient_rule(patient),
    )


def _patient_rule(text: str) -> PatientRule:
    kind, _, rest = text.partition(":")
    try:
        match kind, bool(rest):
            case "dicom", False:
                return "dicom"
            case "each_file", False:
                return "each_file"
            case "column", True:
                return PatientColumn(column=rest)
            case "pattern", True:
                return PatientPattern(pattern=rest)
            case _:
                pass
    except ValueError as error:
        msg = f"--patient {text!r}: {error}"
        raise ConfigError(msg) from error
    msg = f"--patient {text!r} is none of dicom, each_file, column:NAME, pattern:REGEX"
    raise ConfigError(msg)


def wanted_truth(package: ModelPackage, given: LabelledScans) -> Truth:
    """What is judged, and where it stands.

    Raises:
        ConfigError: If there is nothing to judge by, or the model does not say how.
    """
    truth = package.truth or _of_older(package, given)
    classify, segment = truth.task.classify, truth.task.segment
    if not ((classify and given.labels) or (segment and given.masks)):
        wanted = [n for n, has in (("--labels", classify), ("--masks", segment)) if has]
        msg = f"model {package.name!r} is judged by {' or '.join(wanted)}; give it"
        raise ConfigError(msg)
    kept = TaskSpec(
        classify=_renamed(classify, given.column) if given.labels else None,
        segment=segment if given.masks else None,
        lateral=truth.task.lateral,
    )
    key = LabelKey(column=given.key) if given.key else truth.key
    changes = {
        "task": kept,
        "key": key or LabelKey(column="scan"),
        "by": given.by or truth.by,
        "patient": given.patient or truth.patient,
    }
    return truth.model_copy(update=changes)


def not_judged(package: ModelPackage, truth: Truth) -> list[str]:
    """What the model says but nobody can judge here, in words."""
    plan, task = package.plan, truth.task
    said = []
    if plan.classes and task.classify is None:
        said.append("classes are not judged: no --labels were given")
    if plan.structures and task.segment is None:
        said.append("masks are not judged: no --masks were given")
    return said


def _renamed(classify: ClassifySpec | None, column: str | None) -> ClassifySpec | None:
    if classify is None or column is None:
        return classify
    if classify.columns:
        msg = (
            f"--column names one column, but the model predicts the labels "
            f"{', '.join(classify.columns)}, each in a column of its name"
        )
        raise ConfigError(msg)
    return classify.model_copy(update={"column": column})


def _of_older(package: ModelPackage, given: LabelledScans) -> Truth:
    """From the plan and the decision, of a model made before a package said more."""
    plan, rule = package.plan, package.decision
    task: dict[str, object] = {}
    if plan.structures:
        values = zip(plan.structures, plan.mask_values, strict=True)
        task["segment"] = SegmentSpec.model_validate(
            {"classes": {name: {"value": value} for name, value in values}}
        )
    if rule is not None:
        task["classify"] = _classify(rule, given, package.name)
    return Truth(task=TaskSpec.model_validate(task))


def _classify(rule: DecisionRule, given: LabelledScans, name: str) -> dict[str, object]:
    if rule.target is Target.LABELS:
        return {"columns": rule.classes}
    if given.labels and given.column is None:
        msg = (
            f"model {name!r} was registered by an older voxray and does not say in "
            "which column its classes stand; give --column, and classes by their names"
        )
        raise ConfigError(msg)
    return {
        "column": given.column or "label",
        "classes": {name: name for name in rule.classes},
        "positive": rule.positive,
        "ordinal": rule.target is Target.ORDINAL,
    }
