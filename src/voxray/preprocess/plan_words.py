"""A plan as lines that a person reads."""

from collections.abc import Callable, Mapping

from voxray.core.geometry import BODY_AXES
from voxray.core.specs import Plan
from voxray.core.wording import crossed

_WIDTH = 15
_TITLES = {"spacing_mm": "spacing", "test_time_augmentation": "at test time"}


def plan_in_words(plan: Plan) -> tuple[str, ...]:
    """What was decided, each with its reason on the line below."""
    lines: list[str] = []
    for name, say in _SAID.items():
        if name in plan.reasons:
            title = _TITLES.get(name, name.replace("_", " "))
            lines.append(f"{title:{_WIDTH}}{say(plan)}")
            lines.append(" " * _WIDTH + plan.reasons[name])
    return tuple(lines)


def _spacing(plan: Plan) -> str:
    return f"{crossed(plan.spacing_mm, '.4g')} mm"


def _input(plan: Plan) -> str:
    sides = [n * mm for n, mm in zip(plan.input_shape, plan.spacing_mm, strict=True)]
    whole = "whole scans" if plan.whole_volume else "part of a scan"
    shape, field = crossed(plan.input_shape), crossed(round(mm) for mm in sides)
    return f"{shape} voxels, {field} mm, {whole}"


def _network(plan: Plan) -> str:
    """Channels per level, and how much of the input one voxel of the coarsest is."""
    net = plan.network
    levels = "-".join(str(n) for n in net.features)
    return f"{levels} channels, a voxel of the last spans {crossed(net.factors)}"


def _normalisation(plan: Plan) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in plan.normalisation.items())


def _mirror(plan: Plan) -> str:
    return ", ".join(BODY_AXES[axis] for axis in plan.mirror_axes) or "none"


def _on(is_on: bool) -> str:  # noqa: FBT001 - a word for a value
    return "on" if is_on else "off"


_SAID: Mapping[str, Callable[[Plan], str]] = {
    "spacing_mm": _spacing,
    "input_shape": _input,
    "padding": lambda plan: plan.padding,
    "normalisation": _normalisation,
    "colour": lambda plan: "red, green, blue" if plan.colour else "luminance",
    "network": _network,
    "batch_size": lambda plan: f"{plan.batch_size} exams a step",
    "mirror_axes": _mirror,
    "test_time_augmentation": lambda plan: _on(plan.test_time_augmentation),
    "mixup": lambda plan: "exams are mixed" if plan.mixup else "no",
    "target": lambda plan: plan.target.value,
}
