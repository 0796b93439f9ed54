"""From the geometry of the scans to network input and network, a reason per choice."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from voxray.core.errors import ConfigError, DatasetError
from voxray.core.specs import NetworkPlan, Plan, Target, TaskSpec, TrainSpec
from voxray.core.specs.plan import Padding, Spacing, Voxels
from voxray.core.wording import crossed
from voxray.preprocess.budget import Budget, Machine, find_budget
from voxray.preprocess.levels import plan_network
from voxray.preprocess.pixel_size import LONGER_SIDE_MM
from voxray.preprocess.sizing import (
    covers,
    fill_box,
    find_field,
    plan_input_shape,
    plan_spacing,
    plan_view,
)
from voxray.preprocess.statistics import ScanGeometry

_SMALL_CPU = Machine("cpu", 8.0)
_SMALLEST_BATCH = 2
_SHARE_UNMEASURED = 0.1  # of the scans; fewer are taken as they are
_SMALLEST_COHORT = 8  # where features are standardised over the exams of a step
_MOST_OF_A_STEP = 2.0  # times the usual voxels of a step that such a one may have
_LARGEST_BATCH = 64
_LARGEST_MASK_BATCH = 16  # more exams a step give fewer steps; masks gain from steps

Scans = Mapping[str, Sequence[ScanGeometry]]
"""Scans by channel."""


@dataclass(frozen=True, slots=True)
class SeenValues:
    """The little that the plan knows of values, asked of each scan by itself.

    Attributes:
        hounsfield: Channels without modality whose values are Hounsfield units.
        coloured: Whether the scans are pictures in colour.
    """

    hounsfield: Collection[str] = ()
    coloured: bool = False


def make_plan(
    channels: Scans,
    task: TaskSpec,
    train: TrainSpec,
    machine: Machine = _SMALL_CPU,
    seen: SeenValues = SeenValues(),
) -> Plan:
    """Decide from geometry alone how exams become network input.

    Args:
        channels: Scans per channel, all that are not held out for good. The grid is
            planned from the first channel, on which the others are read.
        task: What is learned.
        train: Overrides.
        machine: Where training will run.
        seen: Of the values.

    Raises:
        ConfigError: If mixup or colour is asked for where it cannot be.
        DatasetError: If a channel has no scan, levels that are set do not fit, or the
            network would see a single voxel.
    """
    _check_any(channels)
    longer_side_mm, how = _longer_side(channels)
    channels = {
        name: [scan.counted(longer_side_mm) for scan in scans]
        for name, scans in channels.items()
    }
    scans = next(iter(channels.values()))
    reasons: dict[str, str] = {}
    budget = find_budget(machine, train.memory_gb)
    if task.segment is None:
        budget = replace(budget, input_voxels=budget.class_voxels)
    field = find_field(scans, task, train)
    spacing = train.spacing_mm or plan_spacing(field, budget, reasons)
    if train.spacing_mm:
        reasons["spacing_mm"] = "set in the experiment"
    reasons["spacing_mm"] = how + reasons["spacing_mm"]
    view = plan_view(field, spacing, budget)
    network = plan_network(spacing, view, train, budget, reasons)
    if train.input_shape:
        shape = network.round_up(train.input_shape)
        reasons["input_shape"] = "set in the experiment, rounded up to the strides"
    elif field.box:
        shape, spacing = fill_box(field.box, spacing, network, train, reasons)
    else:
        shape = plan_input_shape(field, spacing, network, budget, reasons)
    _check_view(shape, spacing, network)
    structures = task.segment.classes if task.segment else {}
    mirror_axes = _mirror_axes(task, train, reasons)
    normalisation = _normalisation(channels, train, seen.hounsfield, reasons)
    return Plan(
        channels=tuple(channels),
        modality=_modalities(channels),
        spacing_mm=spacing,
        input_shape=shape,
        padding=_padding(train, reasons),
        whole_volume=covers(shape, spacing, field.extent),
        normalisation=normalisation,
        colour=_colour(normalisation, train, seen, reasons),
        longer_side_mm=longer_side_mm,
        classes=task.classify.label_names if task.classify else (),
        target=_target(task, reasons),
        structures=tuple(structures),
        mask_values=tuple(s.value for s in structures.values()),
        mirror_axes=mirror_axes,
        test_time_augmentation=_test_time(mirror_axes, train, reasons),
        mixup=_mixup(task, train, reasons),
        network=_for_classes(network, task, train, reasons),
        batch_size=_batch_size(shape, len(scans), task, train, budget, reasons),
        reasons=reasons,
    )


def _check_any(channels: Scans) -> None:
    for name, scans in channels.items():
        if not scans:
            what = "scan" if len(channels) == 1 else f"scan of channel {name!r}"
            msg = f"no {what} is left to plan from; see quarantine.csv for the reasons"
            raise DatasetError(msg)


def _longer_side(channels: Scans) -> tuple[float | None, str]:
    """What planes count as where many state no pixel size, and why."""
    scans = [scan for own in channels.values() for scan in own]
    unmeasured = sum(scan.unmeasured for scan in scans)
    if unmeasured < max(1, _SHARE_UNMEASURED * len(scans)):
        return None, ""
    which = f"{unmeasured} of {len(scans)} pictures state no pixel size"
    return LONGER_SIDE_MM, f"{which}: the longer side counts as {LONGER_SIDE_MM:g} mm; "


def _check_view(shape: Voxels, spacing: Spacing, network: NetworkPlan) -> None:
    """A network needs more than one voxel on its coarsest level to normalise by."""
    if shape == network.factors:
        msg = (
            f"the network would see {crossed(shape)} voxels of "
            f"{crossed(spacing, '.2f')} mm, which are one voxel on its coarsest "
            "level; make train.input_shape larger or train.spacing_mm smaller"
        )
        raise DatasetError(msg)


def _modalities(channels: Scans) -> tuple[str, ...]:
    return tuple(sorted({s.modality for all_ in channels.values() for s in all_}))


def _for_classes(
    network: NetworkPlan, task: TaskSpec, train: TrainSpec, reasons: dict[str, str]
) -> NetworkPlan:
    """What a class is decided from: the volume, or the mask that is learned too."""
    if task.classify is None:
        return network
    if task.segment is None:
        reasons["network"] += (
            "; the class sees each feature relative to the training exams, so that "
            "what differs little within an exam, but between exams, counts"
        )
        return network.model_copy(update={"pooled_norm": "cohort"})
    if train.class_from == "volume":
        return network
    reasons["network"] += (
        "; the class looks where the predicted mask is, and reads its size; if it "
        "shows elsewhere, set train.class_from: volume"
    )
    return network.model_copy(update={"evidence": "size_and_looks"})


def _padding(train: TrainSpec, reasons: dict[str, str]) -> Padding:
    if train.padding:
        reasons["padding"] = "set in the experiment"
        return train.padding
    if train.box_mm:
        reasons["padding"] = (
            "a scan smaller than the box is continued by its outermost voxels; a "
            "constant would show how far the scan reaches"
        )
        return "edge"
    reasons["padding"] = "the darkest value, as air"
    return "minimum"


_Normalisation = Literal["zscore", "window"]


def _normalisation(
    channels: Scans,
    train: TrainSpec,
    hounsfield: Collection[str],
    reasons: dict[str, str],
) -> dict[str, _Normalisation]:
    kinds: dict[str, _Normalisation] = {}
    why = []
    for name, scans in channels.items():
        if name in train.normalisation:
            kinds[name] = train.normalisation[name]
            why.append(f"{name} set in the experiment")
        elif {s.modality for s in scans} == {"CT"}:
            kinds[name] = "window"
            why.append("CT has units: window learned in each fold")
        elif name in hounsfield:
            kinds[name] = "window"
            why.append(
                f"the values of {name} are those of CT (Hounsfield units): window "
                "learned in each fold; if they are not, set train.normalisation"
            )
        else:
            kinds[name] = "zscore"
            why.append("no common unit: each scan by its own mean and deviation")
    reasons["normalisation"] = "; ".join(dict.fromkeys(why))
    return kinds


def _colour(
    normalisation: Mapping[str, _Normalisation],
    train: TrainSpec,
    seen: SeenValues,
    reasons: dict[str, str],
) -> bool:
    """Red, green and blue beside each other, normalised together."""
    may = list(normalisation.values()) == ["zscore"]
    if train.colour and not may:
        msg = (
            "train.colour takes red, green and blue of one channel without units; the "
            f"plan has {', '.join(f'{n} ({k})' for n, k in normalisation.items())}"
        )
        raise ConfigError(msg)
    if train.colour is not None:
        reasons["colour"] = "set in the experiment"
    elif may and seen.coloured:
        reasons["colour"] = "most pictures hold more than shades of grey"
    return bool(may and (seen.coloured if train.colour is None else train.colour))


_WHY_TARGET = {
    Target.EXCLUSIVE: "the classes exclude each other: one softmax",
    Target.ORDINAL: "the classes are ordered: one score, and thresholds along it",
    Target.LABELS: "the labels do not exclude each other: a sigmoid each",
}


def _target(task: TaskSpec, reasons: dict[str, str]) -> Target:
    if task.classify is None:
        return Target.EXCLUSIVE
    reasons["target"] = _WHY_TARGET[task.classify.target]
    return task.classify.target


def _mirror_axes(
    task: TaskSpec, train: TrainSpec, reasons: dict[str, str]
) -> tuple[int, ...]:
    """Left and right are mirrored for classes, unless a name tells them apart."""
    if train.mirror_axes is not None:
        reasons["mirror_axes"] = "set in the experiment"
        return train.mirror_axes
    if task.classify is None:
        reasons["mirror_axes"] = "none: structures are where they are; learned faster"
        return ()
    names = list(task.classify.label_names)
    names += list(task.segment.classes) if task.segment else []
    if task.lateral or any(_names_a_side(name) for name in names):
        reasons["mirror_axes"] = "none: the task tells left from right"
        return ()
    reasons["mirror_axes"] = "left-right: no class names a side"
    return (0,)


def _test_time(
    mirror_axes: tuple[int, ...], train: TrainSpec, reasons: dict[str, str]
) -> bool:
    if train.test_time_augmentation is not None:
        reasons["test_time_augmentation"] = "set in the experiment"
        return train.test_time_augmentation
    reasons["test_time_augmentation"] = (
        "mirror images, which training has seen, are predicted too and averaged"
        if mirror_axes
        else "nothing to mirror"
    )
    return bool(mirror_axes)


def _mixup(task: TaskSpec, train: TrainSpec, reasons: dict[str, str]) -> bool:
    if task.segment is not None:
        if train.mixup:
            msg = "train.mixup mixes exams, whose masks cannot be mixed; leave it out"
            raise ConfigError(msg)
        return False
    reasons["mixup"] = "set in the experiment" if train.mixup else "off: gains vary"
    return train.mixup


def _names_a_side(name: str) -> bool:
    parts = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])", name)
    return bool({p.lower() for p in parts} & {"left", "right", "l", "r", "lt", "rt"})


def _batch_size(
    shape: Voxels,
    n_scans: int,
    task: TaskSpec,
    train: TrainSpec,
    budget: Budget,
    reasons: dict[str, str],
) -> int:
    if train.batch_size:
        reasons["batch_size"] = "set in the experiment"
        return train.batch_size
    n_voxels = math.prod(shape)
    step_voxels = budget.step_voxels if task.segment else budget.class_step_voxels
    wanted = round(step_voxels / n_voxels)
    most = _LARGEST_MASK_BATCH if task.segment else _LARGEST_BATCH
    fewest = _SMALLEST_BATCH
    if task.segment is None:
        held = int(_MOST_OF_A_STEP * step_voxels / n_voxels)
        fewest = max(fewest, min(_SMALLEST_COHORT, n_scans // 2, held))
    most = max(fewest, min(most, n_scans // 4))
    reason = f"{n_voxels:,} voxels an exam, about {step_voxels:,} a step"
    if wanted > most:
        reason += f"; no more than {most}, so that an epoch has several steps"
    reasons["batch_size"] = reason
    return max(fewest, min(wanted, most))
