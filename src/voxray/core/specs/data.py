"""What a person says of the data: where scans, masks and labels are, who is who."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from voxray.core.findings import POLICY, Action, FindingCode
from voxray.core.specs.base import Name, Spec
from voxray.core.specs.channels import (
    ChannelRules,
    ExamColumn,
    ExamRule,
    Pattern,
    one_scan_an_exam,
)


class LabelKey(Spec):
    """How a row of the label table is matched to a scan.

    Attributes:
        column: One column that holds the key.
        columns: Or several columns, put together by `format`.
        format: Python format string over `columns`, e.g. "{patient_id}_R_{nodule_id}".
    """

    column: str | None = None
    columns: tuple[str, ...] = ()
    format: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.column is None) == (not self.columns):
            msg = "give either 'column' or 'columns' with 'format'"
            raise ValueError(msg)
        if self.columns and not self.format:
            msg = "'columns' needs 'format', e.g. '{patient_id}_R_{nodule_id}'"
            raise ValueError(msg)
        return self


LabelBy = Literal["scan", "exam", "study", "patient"]


class LabelsSpec(Spec):
    """The label table.

    Attributes:
        table: CSV, TSV, Excel (.xlsx) or Parquet.
        sheet: Of an Excel file; the first one by default.
        key: Which columns name the scan, exam, study or patient.
        by: What the key names. A scan is named by its relative path without suffix, its
            file or folder name, or its SeriesInstanceUID; an exam by what `data.exam`
            gives, or the name of its folder; a study by its StudyInstanceUID; a patient
            by the PatientID or what `data.patient` gives.
    """

    table: Path
    sheet: str | None = None
    key: LabelKey = LabelKey(column="scan")
    by: LabelBy = "scan"


class PatientColumn(Spec):
    """The patient stands in a column of the label table."""

    column: str


class PatientPattern(Spec):
    """The patient is the first group of a regular expression on the relative path."""

    pattern: Pattern

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, pattern: str) -> str:
        if re.compile(pattern).groups < 1:
            msg = f"the pattern {pattern!r} has no group; put (…) around the patient"
            raise ValueError(msg)
        return pattern


PatientRule = Literal["dicom", "each_file"] | PatientColumn | PatientPattern


class DataSpec(Spec):
    """Where the scans, masks and labels are, and who the patients are.

    Attributes:
        channels: Which scans fill which channel; the other channels of an exam are read
            on the grid of the first one.
        exam: Which scans are one exam, with several channels or `choose`.
        overrides: CSV with scan, code, who, why: refusals that a person lifts.
    """

    scans: Path
    masks: Path | None = None
    labels: LabelsSpec | None = None
    patient: PatientRule = "dicom"
    ids: Literal["keyed", "path"] = "keyed"
    duplicates: Literal["link", "quarantine", "fail"] = "link"
    channels: dict[Name, ChannelRules] = Field(default={"image": ChannelRules()})
    exam: ExamRule = "study"
    policy: dict[FindingCode, Action] = {}
    overrides: Path | None = None
    permute_labels: int | None = None

    @field_validator("channels")
    @classmethod
    def _usable(cls, channels: dict[str, ChannelRules]) -> dict[str, ChannelRules]:
        if not channels:
            msg = "give at least one channel, e.g. {image: {}}"
            raise ValueError(msg)
        first = next(iter(channels))
        if not channels[first].required:
            msg = f"the first channel {first!r} gives the grid and cannot be left out"
            raise ValueError(msg)
        if "mask" in channels:
            msg = "no channel may be called 'mask'"
            raise ValueError(msg)
        return channels

    @model_validator(mode="after")
    def _exam_has_a_use(self) -> Self:
        if self.exam != "study" and one_scan_an_exam(self.channels):
            msg = (
                "'exam' is for several channels, or one with 'choose'; with the one "
                f"channel {self.channel!r} every scan is an exam"
            )
            raise ValueError(msg)
        if isinstance(self.exam, ExamColumn) and self.labels is None:
            msg = "exam: {column: …} needs 'labels'"
            raise ValueError(msg)
        return self

    @field_validator("policy")
    @classmethod
    def _allowed(cls, policy: dict[FindingCode, Action]) -> dict[FindingCode, Action]:
        for code, action in policy.items():
            allowed = (POLICY[code].action, *POLICY[code].choices)
            if action not in allowed:
                msg = f"{code}: {action} is not possible, only {', '.join(allowed)}"
                raise ValueError(msg)
        return policy

    @property
    def channel(self) -> str:
        """Name of the first channel, on whose grid masks lie."""
        return next(iter(self.channels))
