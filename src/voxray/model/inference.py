"""From one preprocessed array to probabilities, by one network or an ensemble."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from numpy.typing import NDArray
from torch import nn

from voxray.core.decision import ensemble
from voxray.core.geometry import Shape
from voxray.core.specs import FoldValues, Plan
from voxray.core.specs.plan import Padding
from voxray.model.device import Compute
from voxray.model.heads import class_probabilities

Array = NDArray[np.float32]
Value = TypeVar("Value", np.float32, np.uint8)

Member = tuple[nn.Module, FoldValues]
"""A fold network in eval mode, and what the fold learned from values."""

_OVERLAP = 0.5
_ONE_PASS = 4  # times the input's voxels that are still predicted at once


@dataclass(frozen=True, slots=True, eq=False)
class Probabilities:
    """What the network says about one exam, on the cached grid.

    Attributes:
        classes: (class,) float32, sums to 1 but for labels; None without that head.
        masks: (1 + structure, i, j, k) float32, sums to 1; None without that head.
    """

    classes: Array | None
    masks: Array | None


def apply_fold_values(image: Array, plan: Plan, values: FoldValues) -> Array:
    """Bring "window" channels to what this fold's network was trained on.

    Args:
        image: (channel, i, j, k): z-scores, or source units for "window" channels, NaN
            for a "window" channel that the exam lacks.
        plan: Names the channels and their normalisation.
        values: Learned from the fold's training patients.

    Returns:
        A new array for plans with a window; `image` itself without. A channel that the
        exam lacks is 0.
    """
    if not values.windows:
        return image
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


@torch.inference_mode()
def predict(
    network: nn.Module, image: Array, plan: Plan, compute: Compute
) -> Probabilities:
    """Run one network on one exam.

    Args:
        network: In eval mode, placed by `compute`.
        image: (channel, i, j, k) after `apply_fold_values`, any size.
        plan: Gives the input shape.
        compute: Device and precision.

    Returns:
        Probabilities on the grid of `image`. Classes come from the central
        `plan.input_shape`; masks from one pass, or from a sliding window when the
        image has more than four times the voxels of the input.
    """
    classes = masks = None
    fits = all(s <= w for s, w in zip(image.shape[1:], plan.input_shape, strict=True))
    if plan.classes or fits:
        logits, masks = _forward(network, image, plan, plan.input_shape, compute)
        classes = _class_shares(logits, plan)
    if plan.structures and not fits:
        shape = plan.network.round_up(image.shape[1:])
        if math.prod(shape) <= _ONE_PASS * math.prod(plan.input_shape):
            _, masks = _forward(network, image, plan, shape, compute)
        else:
            masks = _sliding(network, image, plan, compute)
    return Probabilities(classes, masks if plan.structures else None)


def _forward(
    network: nn.Module, image: Array, plan: Plan, shape: Shape, compute: Compute
) -> tuple[torch.Tensor | None, Array | None]:
    """Class logits, and masks, of an image centred in `shape`."""
    whole = torch.from_numpy(fit_to(image, shape, padding=plan.padding))[None]
    with compute.autocast():
        output = network(compute.send(whole))
    masks = output.mask_logits
    return (
        output.class_logits,
        None if masks is None else _uncentre(_softmax(masks), image.shape[1:]),
    )


def _class_shares(logits: torch.Tensor | None, plan: Plan) -> Array | None:
    if logits is None:
        return None
    shares = class_probabilities(logits, plan.target)[0].cpu().numpy()
    return np.asarray(shares, dtype=np.float32)


def _sliding(network: nn.Module, image: Array, plan: Plan, compute: Compute) -> Array:
    def window(batch: torch.Tensor) -> torch.Tensor:
        with compute.autocast():
            logits: torch.Tensor = network(compute.send(batch)).mask_logits
        return torch.softmax(logits.float(), dim=1)

    background = float(image.min())
    own = np.require(image, requirements=["C", "W"])  # torch minds a read-only map
    shares = sliding_window_inference(
        torch.from_numpy(own)[None],
        plan.input_shape,
        sw_batch_size=1,
        predictor=window,
        overlap=_OVERLAP,
        mode="gaussian",
        padding_mode="constant",
        cval=background,
        sw_device=compute.torch_device,
        device=torch.device("cpu"),
    )
    return np.asarray(shares[0].numpy(), dtype=np.float32)


def _softmax(logits: torch.Tensor) -> Array:
    shares = torch.softmax(logits.float(), dim=1)[0].cpu().numpy()
    return np.asarray(shares, dtype=np.float32)


def _uncentre(shares: Array, shape: Sequence[int]) -> Array:
    return shares[(slice(None), *centre_slices(shares.shape[1:], shape))]


def predict_ensemble(
    members: Sequence[Member],
    image: Array,
    plan: Plan,
    compute: Compute,
) -> tuple[Probabilities, float | None]:
    """Mean probability of fold networks, and how far they disagree.

    Returns:
        Probabilities as in `predict`; and the largest standard deviation of a class
        probability over networks, None without a class head or with one network.
    """
    parts = [
        predict(net, apply_fold_values(image, plan, values), plan, compute)
        for net, values in members
    ]
    classes = [p.classes for p in parts if p.classes is not None]
    masks = [p.masks for p in parts if p.masks is not None]
    spread = (
        float(np.std(np.stack(classes), axis=0).max()) if len(classes) > 1 else None
    )
    mean = Probabilities(
        ensemble(classes) if classes else None, ensemble(masks) if masks else None
    )
    return mean, spread
