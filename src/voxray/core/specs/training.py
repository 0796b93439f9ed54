"""How long and how a fold is trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from voxray.core.specs.base import Name, Spec

Millimetres = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
OddCount = Literal[1, 3, 5, 7]
Axis = Annotated[int, Field(ge=0, le=2)]
Preset = Literal["fast", "standard", "best"]

PRESET_MINUTES: dict[Preset, float] = {"fast": 2.0, "standard": 5.0, "best": 15.0}
"""Wall time of a fold, where `train.budget_minutes` is not given."""


class TrainSpec(Spec):
    """How long and how a fold is trained. `steps` or `epochs` override the budget.

    Attributes:
        preset: What the settings below are by default; one that is given wins.
        budget_minutes: Wall time of one fold; by preset 2, 5 or 15.
        spacing_mm: Overrides the plan's target spacing.
        input_shape: Overrides the voxels the network sees at once.
        batch_size: Overrides the plan's exams a step.
        input_mm: Sides of the box around the scan's centre that the network sees, along
            the axes nearest R, A, S; one number for a cube. In place of `input_shape`.
        padding: What stands where the input reaches beyond the scan: its `edge` voxels
            repeated, or each channel's `minimum`. By default the edge with `input_mm`,
            else the minimum.
        normalisation: Overrides the plan's choice per channel.
        colour: Whether pictures come as red, green and blue, or as their luminance; by
            default by what most of them hold.
        features: Channels of the network per level, finest first.
        strides: Per level and axis, the first (1, 1, 1).
        kernels: Per level and axis.
        mirror_axes: Axes (0 left-right, 1 front-back, 2 foot-head) that augmentation
            mirrors.
        test_time_augmentation: Whether predictions average the mirror images along
            `mirror_axes` too; by default they do.
        clean_up: Whether a fold may choose to take small or scattered pieces out of its
            masks.
        weight_decay: Of AdamW; by default 0.05 where only a class is learned, else
            0.0001.
        augmentation: How strongly training changes scans, 1 for turns up to 10 degrees;
            by default 1 to 2, the more often each exam is seen.
        mixup: Whether training mixes exams and their classes, where only a class is
            learned.
        class_from: With both tasks, where the class looks: in the predicted `mask`
            (default), or over the whole `volume`.
        memory_gb: What training may take; by default a share of the machine's.
    """

    preset: Preset = "standard"
    budget_minutes: Annotated[float, Field(gt=0)] | None = None
    steps: Annotated[int, Field(ge=1)] | None = None
    epochs: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 4e-3
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    batch_size: Annotated[int, Field(ge=1)] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    input_shape: tuple[int, int, int] | None = None
    input_mm: Millimetres | tuple[Millimetres, Millimetres, Millimetres] | None = None
    padding: Literal["edge", "minimum"] | None = None
    normalisation: dict[Name, Literal["zscore", "window"]] = {}
    colour: bool | None = None
    features: tuple[Count, ...] | None = None
    strides: tuple[tuple[Count, Count, Count], ...] | None = None
    kernels: tuple[tuple[OddCount, OddCount, OddCount], ...] | None = None
    mirror_axes: tuple[Axis, ...] | None = None
    test_time_augmentation: bool | None = None
    clean_up: bool = True
    augmentation: Annotated[float, Field(ge=0, le=4)] | None = None
    mixup: bool = False
    class_from: Literal["mask", "volume"] = "mask"
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @property
    def minutes(self) -> float:
        """The budget: as given, else the preset's."""
        return self.budget_minutes or PRESET_MINUTES[self.preset]

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.steps is not None and self.epochs is not None:
            msg = "give 'steps' or 'epochs', not both"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.input_mm is not None and self.input_shape is not None:
            msg = "give 'input_mm' or 'input_shape', not both"
            raise ValueError(msg)
        return self

    @field_validator("features", "strides", "kernels")
    @classmethod
    def _levels(cls, levels: tuple[object, ...] | None) -> tuple[object, ...] | None:
        if levels is not None and not levels:
            msg = "give at least one level"
            raise ValueError(msg)
        return levels

    @field_validator("strides")
    @classmethod
    def _finest(
        cls, strides: tuple[tuple[int, int, int], ...] | None
    ) -> tuple[tuple[int, int, int], ...] | None:
        if strides and strides[0] != (1, 1, 1):
            msg = f"the first level is the input: [1, 1, 1], got {list(strides[0])}"
            raise ValueError(msg)
        return strides

    @property
    def box_mm(self) -> tuple[float, float, float] | None:
        """Sides of the box the network sees; None without `input_mm`."""
        if isinstance(self.input_mm, float):
            return (self.input_mm, self.input_mm, self.input_mm)
        return self.input_mm
