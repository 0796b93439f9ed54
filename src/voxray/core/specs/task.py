"""What is learned: classes, labels, masks."""

from collections.abc import Collection
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from voxray.core.specs.base import Name, Spec
from voxray.core.specs.target import Target

NO_LABEL = "none"
LABEL_SEPARATOR = ";"
MEAN_CLASS = "macro"
"""Stands where the class of a figure stands when it is the mean over all."""

ClassValue = bool | int | float | str


def _plain_value(value: object) -> float | str:
    text = str(value).strip()
    if text.casefold() in {"true", "false"}:
        return float(text.casefold() == "true")
    try:
        return float(text)
    except ValueError:
        return text


class ClassifySpec(Spec):
    """Predict a class per exam, or several labels that do not exclude each other.

    Attributes:
        column: Column of the label table.
        columns: Or several columns, each a label of its own that is 0 or 1.
        classes: Class name to the value it has in the table; none with `columns`.
        positive: Of two classes the one that the operating point is about; no effect
            with more. The last one by default.
        ordinal: The order of the classes means something; of two it means nothing.
        level: What a label is about. "patient": figures are given by patient too, and
            pictures count each patient once.
    """

    column: str = ""
    columns: tuple[str, ...] = ()
    classes: dict[Name, ClassValue] = {}
    positive: str = ""
    ordinal: bool = False
    level: Literal["scan", "exam", "patient"] = "scan"

    @model_validator(mode="after")
    def _one_or_several_columns(self) -> Self:
        if bool(self.column) == bool(self.columns):
            msg = "give 'column' with 'classes', or 'columns' for labels of 0 and 1"
            raise ValueError(msg)
        if self.columns:
            self._check_columns()
        else:
            self._check_classes()
        return self

    def _check_columns(self) -> None:
        if len(set(self.columns)) < max(2, len(self.columns)):
            msg = f"columns: at least two different ones, got {list(self.columns)}"
            raise ValueError(msg)
        if self.classes or self.positive or self.ordinal:
            msg = "'columns' are 0 or 1 each: without classes, positive and ordinal"
            raise ValueError(msg)
        self._check_mean_name(self.columns)
        for name in self.columns:
            if LABEL_SEPARATOR in name or name.casefold() == NO_LABEL:
                msg = (
                    f"columns: {name!r} cannot name a label, since decisions are "
                    f"labels joined by {LABEL_SEPARATOR!r}, or {NO_LABEL!r}; rename it"
                )
                raise ValueError(msg)

    def _check_classes(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes.values())) < len(self.classes):  # noqa: PLR2004
            msg = f"at least two classes of different value, got {self.classes}"
            raise ValueError(msg)
        if self.positive and self.positive not in self.classes:
            msg = f"positive: {self.positive!r} is none of {list(self.classes)}"
            raise ValueError(msg)
        for name in self.classes:
            other = self.class_of(name)
            if other not in {None, name}:
                msg = f"{name!r} names a class, but is the value of {other!r}"
                raise ValueError(msg)
        if len(self.classes) > 2:  # noqa: PLR2004
            self._check_mean_name(self.classes)

    @staticmethod
    def _check_mean_name(names: Collection[str]) -> None:
        if MEAN_CLASS in names:
            msg = f"{MEAN_CLASS!r} names the mean over all in figures; rename it"
            raise ValueError(msg)

    @property
    def target(self) -> Target:
        """How the classes hang together."""
        if self.columns:
            return Target.LABELS
        several = len(self.classes) > 2  # noqa: PLR2004 - two are ordered either way
        return Target.ORDINAL if self.ordinal and several else Target.EXCLUSIVE

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Columns of the label table that hold labels."""
        return self.columns or (self.column,)

    @property
    def label_names(self) -> tuple[str, ...]:
        """What an exam may be: the classes, or of several labels those that are 1."""
        return self.columns or tuple(self.classes)

    @property
    def judged_names(self) -> tuple[str, ...]:
        """What has figures of its own: of two classes the positive one, else each."""
        several = self.columns or len(self.classes) > 2  # noqa: PLR2004
        return self.label_names if several else (self.positive_class,)

    @property
    def positive_class(self) -> str:
        """The class that sensitivity is about."""
        return self.positive or list(self.classes)[-1]

    def class_of(self, value: object) -> str | None:
        """Class a cell of the label table means, None when it is none of them.

        Numbers count by value (1, 1.0 and "1" are one), true and false by meaning, and
        the class's own name is understood too.

        Example:
            >>> spec = ClassifySpec(column="x", classes={"benign": 0, "malignant": 1})
            >>> spec.class_of("1.0"), spec.class_of("benign"), spec.class_of("2")
            ('malignant', 'benign', None)
        """
        wanted = _plain_value(value)
        for name, of_class in self.classes.items():
            if _plain_value(of_class) == wanted:
                return name
        return next((name for name in self.classes if name == str(value)), None)


class SegmentClass(Spec):
    """One structure in the masks.

    Attributes:
        value: Voxel value in the mask files; 0 is background.
        tolerance_mm: Boundary error that counts as none.
    """

    value: Annotated[int, Field(ge=1, le=65535)]
    tolerance_mm: Annotated[float, Field(gt=0)] = 1.0


class SegmentSpec(Spec):
    """Predict a mask per exam."""

    classes: Annotated[dict[Name, SegmentClass], Field(min_length=1)]

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: dict[str, SegmentClass]) -> dict[str, SegmentClass]:
        values = [c.value for c in classes.values()]
        if len(set(values)) < len(values):
            msg = f"two classes share a value: {values}"
            raise ValueError(msg)
        return classes


class TaskSpec(Spec):
    """What is learned: a class, a mask, or both by one network."""

    classify: ClassifySpec | None = None
    segment: SegmentSpec | None = None
    lateral: bool = False

    def learned(self) -> dict[str, Any]:
        """What a network depends on, as JSON: without what only judges its masks."""
        judged = {"segment": {"classes": {"__all__": {"tolerance_mm"}}}}
        return self.model_dump(mode="json", exclude=judged)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.classify is None and self.segment is None:
            msg = "give 'classify', 'segment' or both"
            raise ValueError(msg)
        return self
