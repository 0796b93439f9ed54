"""Augmentation of whole batches of tensors: draw first, then apply."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Protocol

import torch
from torch.nn import functional

from voxray.core.specs import Plan

_ROTATION = math.radians(10)
_SCALE = 0.1
_SHIFT = 0.03  # of the field of view
_GAIN = 0.12
_OFFSET = 0.15
_GAMMA = 0.2
_NOISE = 0.08
_STILL = 0.3  # of the exams are mirrored at most; a quarter and a third were measured
_COARSE = 2.0


class Uniform(Protocol):
    """Draws one value, or a row of them, for each exam."""

    def __call__(self, low: float, high: float, *more: int) -> torch.Tensor:
        """Values of (n, *more) between `low` and `high`."""


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """What was drawn for one batch of n exams.

    Attributes:
        theta: (n, 3, 4), output to input, normalised coordinates in (k, j, i) order.
        gain: (n,) contrast factor.
        offset: (n,) brightness, in units of the normalised image.
        gamma: (n,) exponent on the image scaled to 0..1.
        noise: (n,) standard deviation.
        own: (n,) share of an exam in what the network sees, the rest is its partner's;
            None without mixup.
        partner: (n,) exam that each is mixed with.
    """

    theta: torch.Tensor
    gain: torch.Tensor
    offset: torch.Tensor
    gamma: torch.Tensor
    noise: torch.Tensor
    own: torch.Tensor | None = None
    partner: torch.Tensor | None = None

    def each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Draw":
        """The same with each tensor changed."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        drawn = {n: change(v) for n, v in values.items() if v is not None}
        return replace(self, **drawn)


def draw(plan: Plan, n: int, generator: torch.Generator, strength: float = 1.0) -> Draw:
    """Draw what to do to a batch of n exams.

    Args:
        plan: Which axes may be mirrored and turned, and whether exams are mixed.
        n: Exams.
        generator: On the processor.
        strength: Factor on how far angles, sizes and intensities may change.
    """

    def uniform(low: float, high: float, *more: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, *more, generator=generator)

    def sometimes(share: float, values: torch.Tensor, else_: float) -> torch.Tensor:
        return torch.where(uniform(0, 1) < share, values, torch.tensor(else_))

    def around_0(reach: float) -> torch.Tensor:
        return uniform(-reach * strength, reach * strength)

    drawn = Draw(
        theta=_draw_affine(plan, uniform, strength),
        gain=torch.exp(around_0(_GAIN)),
        offset=sometimes(0.5, around_0(_OFFSET), 0.0),
        gamma=sometimes(0.3, torch.exp(around_0(_GAMMA)), 1.0),
        noise=sometimes(0.3, uniform(0, _NOISE * strength), 0.0),
    )
    if not plan.mixup:
        return drawn
    share = torch.sin(uniform(0, math.pi / 2)) ** 2  # Beta(1/2, 1/2): mostly near 0, 1
    own = torch.maximum(share, 1 - share)
    return replace(drawn, own=own, partner=torch.randperm(n, generator=generator))


def _draw_affine(plan: Plan, uniform: Uniform, strength: float) -> torch.Tensor:
    """Rotation and scale in mm, so that anatomy is turned and not sheared.

    Turning blurs. Some exams stay as sharp as they are, so that an exam at prediction,
    which nobody turns, is like some that were trained on.
    """
    turned = (uniform(0, 1, 1) >= _STILL).float()
    angles = uniform(-_ROTATION, _ROTATION, 3) * _may_turn(plan) * turned * strength
    scale = torch.exp(uniform(-_SCALE, _SCALE, 1) * turned * strength)
    matrix = _rotations(angles) / scale[..., None]
    for axis in plan.mirror_axes:
        flip = torch.sign(uniform(-1, 1))
        matrix[:, :, axis] *= flip[:, None]
    half_mm = torch.tensor(plan.input_shape) * torch.tensor(plan.spacing_mm) / 2
    matrix = matrix * half_mm[None, None, :] / half_mm[None, :, None]
    shift = (uniform(-_SHIFT, _SHIFT, 3) * turned)[..., None] * 2
    shift[:, [size == 1 for size in plan.input_shape]] = 0
    theta = torch.cat([matrix, shift], dim=2)
    return theta[:, [2, 1, 0]][:, :, [2, 1, 0, 3]].float()


def _may_turn(plan: Plan) -> torch.Tensor:
    """Axes to turn about: not through a plane of which one side is flat or coarse."""
    axes = list(zip(plan.input_shape, plan.spacing_mm, strict=True))
    finest = min((mm for size, mm in axes if size > 1), default=0.0)
    fine = [size > 1 and mm < _COARSE * finest for size, mm in axes]
    return torch.tensor([fine[1] and fine[2], fine[0] and fine[2], fine[0] and fine[1]])


def _rotations(angles: torch.Tensor) -> torch.Tensor:
    """(n, 3, 3) about axes i, j, k in turn; angles (n, 3) in radians."""
    matrix = torch.eye(3).expand(len(angles), 3, 3)
    for axis, (a, b) in enumerate(((1, 2), (0, 2), (0, 1))):
        turn = torch.eye(3).repeat(len(angles), 1, 1)
        cos, sin = torch.cos(angles[:, axis]), torch.sin(angles[:, axis])
        turn[:, a, a], turn[:, b, b] = cos, cos
        turn[:, a, b], turn[:, b, a] = -sin, sin
        matrix = matrix @ turn
    return matrix


def apply_to_image(
    image: torch.Tensor, drawn: Draw, generator: torch.Generator
) -> torch.Tensor:
    """Turn, then change the intensities of (n, channel, i, j, k).

    Args:
        image: Normalised.
        drawn: For as many exams.
        generator: Draws the noise; faster where the image is.
    """
    turned = _sample(image, drawn.theta, "bilinear")
    shape = (-1, 1, 1, 1, 1)
    low = turned.amin((1, 2, 3, 4), keepdim=True)
    span = (turned.amax((1, 2, 3, 4), keepdim=True) - low).clamp_min(1e-6)
    gamma = _beside(drawn.gamma, image).view(shape)
    if (drawn.gamma != 1).any():
        turned = ((turned - low) / span).clamp_min(0).pow(gamma) * span + low
    gain = _beside(drawn.gain, image).view(shape)
    offset = _beside(drawn.offset, image).view(shape)
    turned = turned * gain + offset
    if drawn.noise.any():
        noise = torch.randn(turned.shape, generator=generator, device=generator.device)
        noise = noise.to(image.device)
        turned = turned + noise * _beside(drawn.noise, image).view(shape)
    return turned


def _beside(drawn: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    """Where the batch is; without waiting for what the device still has to do."""
    return drawn.to(batch.device, non_blocking=True)


def mix(values: torch.Tensor, drawn: Draw) -> torch.Tensor:
    """Mix exams, or what is wanted of them, with their partners (Zhang 2018).

    Args:
        values: (n, ...); NaN where an exam or its partner has NaN.
        drawn: For as many exams.
    """
    if drawn.own is None or drawn.partner is None:
        return values
    own = _beside(drawn.own, values).to(values.dtype)
    own = own.view(-1, *[1] * (values.dim() - 1))
    return own * values + (1 - own) * values[_beside(drawn.partner, values)]


def apply_to_mask(mask: torch.Tensor, drawn: Draw) -> torch.Tensor:
    """Turn (n, 1, i, j, k) structure numbers as the image was turned."""
    return _sample(mask.float(), drawn.theta, "nearest")


def _sample(batch: torch.Tensor, theta: torch.Tensor, mode: str) -> torch.Tensor:
    size = list(batch.shape)
    grid = functional.affine_grid(_beside(theta, batch), size, align_corners=False)
    return functional.grid_sample(
        batch, grid, mode=mode, padding_mode="border", align_corners=False
    )
