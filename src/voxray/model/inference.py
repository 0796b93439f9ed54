"""From one preprocessed array to probabilities, by one network or an ensemble."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from voxray.core.decision import ensemble
from voxray.core.geometry import Shape
from voxray.core.specs import FoldValues, Plan
from voxray.core.specs.plan import Padding
from voxray.model.device import Compute
from voxray.model.heads import class_probabilities
from voxray.model.mirrors import Axes, mirror_images
from voxray.model.windows import Part, slide

Array = NDArray[np.float32]
FloatArray = NDArray[np.floating[Any]]
Value = TypeVar("Value", np.float32, np.uint8)

Member = tuple[nn.Module, FoldValues]
"""A fold network in eval mode, and what the fold learned from values."""

_ONE_PASS = 2  # times the voxels of the input are asked about at once, at most


@dataclass(frozen=True, slots=True, eq=False)
class Probabilities:
    """What the network says about one exam, on the cached grid.

    Attributes:
        classes: (class,) float32, sums to 1 but for labels; None without that head.
        masks: (1 + structure, i, j, k) float32, or float16 of a large scan, sums to 1;
            None without that head.
    """

    classes: Array | None
    masks: FloatArray | None


def apply_fold_values(image: FloatArray, plan: Plan, values: FoldValues) -> Array:
    """Bring "window" channels to what this fold's network was trained on.

    Args:
        image: (channel, i, j, k): z-scores, or source units for "window" channels, NaN
            for a "window" channel that the exam lacks.
        plan: Names the channels and their normalisation.
        values: Learned from the fold's training patients.

    Returns:
        A new float32 array for plans with a window; else `image` itself if it is
        float32. A channel that the exam lacks is 0.
    """
    if not values.windows:
        return np.asarray(image, dtype=np.float32)
    scaled = np.array(image, dtype=np.float32)
    for index, channel in enumerate(plan.channels):
        if plan.normalisation[channel] == "window":
            window = values.windows[channel]
            clipped = np.clip(scaled[index], window.low, window.high)
            scaled[index] = (clipped - window.mean) / max(window.std, 1e-6)
            np.nan_to_num(scaled[index], copy=False)
    return scaled


def fit_to(
    image: NDArray[Value],
    shape: Shape,
    background: float | None = None,
    padding: Padding = "minimum",
) -> NDArray[Value]:
    """Centre-crop and centre-pad to `shape`.

    Args:
        image: (channel, i, j, k); any real type.
        shape: Wanted (i, j, k).
        background: What is padded with; None: what `padding` says.
        padding: "minimum" of each channel, or its "edge" voxels repeated.
    """
    cropped = image[(slice(None), *centre_slices(image.shape[1:], shape))]
    pads = [(0, 0)]
    for size, wanted in zip(cropped.shape[1:], shape, strict=True):
        before = (wanted - size) // 2
        pads.append((before, wanted - size - before))
    if background is None and padding == "edge":
        return np.pad(cropped, pads, mode="edge")
    padded = [
        np.pad(
            part,
            pads[1:],
            constant_values=channel.min() if background is None else background,
        )
        for part, channel in zip(cropped, image, strict=True)
    ]
    return np.stack(padded)


def centre_slices(size: Sequence[int], wanted: Sequence[int]) -> tuple[slice, ...]:
    """The central part of an array along each axis; all of it where it is smaller."""
    starts = [max(0, (s - w) // 2) for s, w in zip(size, wanted, strict=True)]
    return tuple(slice(a, a + w) for a, w in zip(starts, wanted, strict=True))


def predict(
    network: nn.Module, image: FloatArray, plan: Plan, compute: Compute
) -> Probabilities:
    """Run one network on one exam, plainly: without test-time augmentation.

    Args:
        network: In eval mode, placed by `compute`.
        image: (channel, i, j, k) after `apply_fold_values`, any size.
        plan: Gives the input shape.
        compute: Device and precision.

    Returns:
        Probabilities on the grid of `image`. Classes come from the central
        `plan.input_shape`; masks from one pass, or from a sliding window when the
        image has more than twice the voxels of the input.
    """
    member = (network, FoldValues(n_exams=0))  # nothing left to apply
    said, _ = _ask(_Voters((member,), plan, compute, mirrors=((),)), image)
    return said


def predict_ensemble(
    members: Sequence[Member],
    image: FloatArray,
    plan: Plan,
    compute: Compute,
) -> tuple[Probabilities, float | None]:
    """Mean probability of fold networks, and how far they disagree.

    Of a large scan every network sees one window before the next window comes, so that
    the volume of probabilities is held once, whatever the number of networks.

    Args:
        members: Networks, and what their folds learned from values.
        image: (channel, i, j, k) as it was prepared; may be a memory map.
        plan: Gives the input shape, and whether mirrored inputs are averaged.
        compute: Device and precision.

    Returns:
        Probabilities as in `predict`; and the largest standard deviation of a class
        probability over networks, None without a class head or with one network.
    """
    return _ask(_Voters(members, plan, compute, mirror_images(plan)), image)


@dataclass(frozen=True, slots=True, eq=False)
class _Voters:
    """Networks that are asked together, each about every mirror image."""

    members: Sequence[Member]
    plan: Plan
    compute: Compute
    mirrors: Sequence[Axes]

    def ask(self, part: FloatArray, shape: Shape) -> tuple[list[Array], Array | None]:
        """Classes per network, and the mean mask on `part`, centred in `shape`."""
        classes: list[Array] = []
        masks: list[Array] = []
        for network, values in self.members:
            scaled = apply_fold_values(part, self.plan, values)
            batch = torch.from_numpy(fit_to(scaled, shape, padding=self.plan.padding))
            answers = [
                self._answer(network, batch[None], axes) for axes in self.mirrors
            ]
            classes += _mean([c for c, _ in answers if c is not None])
            masks += _mean([m for _, m in answers if m is not None])
        mean = ensemble(masks) if masks else None
        return classes, None if mean is None else _uncentre(mean, part.shape[1:])

    @torch.inference_mode()
    def _answer(
        self, network: nn.Module, batch: torch.Tensor, axes: Axes
    ) -> tuple[Array | None, Array | None]:
        """Class and mask probabilities of a mirrored batch of one, turned back."""
        dims = [2 + axis for axis in axes]
        with self.compute.autocast():
            output = network(self.compute.send(batch.flip(dims)))
        masks = output.mask_logits
        return (
            _class_shares(output.class_logits, self.plan),
            None if masks is None else _softmax(masks.flip(dims)),
        )


def _mean(answers: list[Array]) -> list[Array]:
    """One array, or none where there were none."""
    return [ensemble(answers)] if answers else []


def _ask(voters: _Voters, image: FloatArray) -> tuple[Probabilities, float | None]:
    plan = voters.plan
    size, wanted = image.shape[1:], plan.input_shape
    classes: list[Array] = []
    masks: FloatArray | None = None
    fits = all(s <= w for s, w in zip(size, wanted, strict=True))
    if plan.classes or fits:
        centre = centre_slices(size, wanted)
        classes, masks = voters.ask(image[(slice(None), *centre)], wanted)
    if plan.structures and not fits:
        masks = _masks(voters, image)
    spread = (
        float(np.std(np.stack(classes), axis=0).max()) if len(classes) > 1 else None
    )
    said = ensemble(classes) if classes else None
    return Probabilities(said, masks if plan.structures else None), spread


def _masks(voters: _Voters, image: FloatArray) -> FloatArray:
    """Masks of an image larger than the input: in one pass if that fits, or slid.

    An axis shorter than the input is filled up, as in training: norms see the same.
    """
    plan = voters.plan
    i, j, k = image.shape[1:]
    sides = zip((i, j, k), plan.input_shape, strict=True)
    whole = plan.network.round_up([max(side, wanted) for side, wanted in sides])
    if math.prod(whole) <= _ONE_PASS * math.prod(plan.input_shape):
        return _asked(voters, image, whole)

    window = _window(plan, (i, j, k))
    i_half, j_half, k_half = (side // 2 for side in plan.input_shape)

    def ask(part: Part) -> FloatArray:
        return _asked(voters, image[(slice(None), *part)], window)

    overlap = (i_half, j_half, k_half)
    return slide(ask, (i, j, k), window, overlap, 1 + len(plan.structures))


def _window(plan: Plan, size: Shape) -> Shape:
    """As much as may be asked at once: then fewer voxels are asked about twice."""
    window = list(plan.input_shape)
    while True:
        axis = max(range(3), key=lambda a: size[a] / window[a])
        larger = [
            n + (a == axis) * plan.network.factors[a] for a, n in enumerate(window)
        ]
        if math.prod(larger) > _ONE_PASS * math.prod(plan.input_shape):
            return (window[0], window[1], window[2])
        window = larger


def _asked(voters: _Voters, part: FloatArray, shape: Shape) -> FloatArray:
    _, masks = voters.ask(part, shape)
    assert masks is not None  # the plan has structures
    return masks


def _class_shares(logits: torch.Tensor | None, plan: Plan) -> Array | None:
    if logits is None:
        return None
    shares = class_probabilities(logits, plan.target)[0].cpu().numpy()
    return np.asarray(shares, dtype=np.float32)


def _softmax(logits: torch.Tensor) -> Array:
    shares = torch.softmax(logits.float(), dim=1)[0].cpu().numpy()
    return np.asarray(shares, dtype=np.float32)


def _uncentre(shares: Array, shape: Sequence[int]) -> Array:
    return shares[(slice(None), *centre_slices(shares.shape[1:], shape))]
