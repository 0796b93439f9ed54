"""One encoder-decoder with up to two heads, built from MONAI blocks."""

import math
from collections import OrderedDict
from typing import NamedTuple

import torch
from monai.networks.blocks.acti_norm import ADN
from torch import nn
from torch.nn import functional

from voxray.core.specs import Plan

_EVIDENCE_SCALE = 5.0
_NEWEST = 0.05  # of a running mean: the share of the newest batch
_EPSILON = 1e-5  # of a variance


class NetworkOutput(NamedTuple):
    """What the heads say; None where the plan has no such head.

    Attributes:
        class_logits: (n, class).
        mask_logits: (n, 1 + structure, i, j, k), background first.
    """

    class_logits: torch.Tensor | None
    mask_logits: torch.Tensor | None


class VoxrayNetwork(nn.Module):
    """U-Net encoder; decoder for masks; class head on both.

    The class head sees each encoder level averaged and at its maximum, so that a small
    lesion is not averaged away, and, with a decoder, how sure the mask is at its surest
    place. No gradient of the class flows into the mask through the latter.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.encoder = Encoder(plan)
        self.decoder = Decoder(plan) if plan.structures else None
        self.class_head = ClassHead(plan) if plan.classes else None

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        """Run the heads.

        Args:
            image: (n, channel, i, j, k), normalised, axes divisible by the strides.
        """
        levels = self.encoder(image)
        masks = self.decoder(levels) if self.decoder is not None else None
        if self.class_head is None:
            return NetworkOutput(None, masks)
        return NetworkOutput(self.class_head(levels, masks), masks)


class Encoder(nn.Module):
    """Two convolutions per level, the first one strided; one on the finest level.

    On a CPU the finest level costs most of a step, and its second convolution buys less
    than the steps it takes (docs/experiments.md).
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        net = plan.network
        widths = (len(plan.channels), *net.features)
        together = net.norm_channels
        self.levels = nn.ModuleList(
            nn.Sequential(
                _convolution(before, after, kernel, stride, together),
                *(
                    [_convolution(after, after, kernel, norm_channels=together)]
                    if level
                    else []
                ),
            )
            for level, (before, after, kernel, stride) in enumerate(
                zip(widths[:-1], widths[1:], net.kernels, net.strides, strict=True)
            )
        )

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Features per level, finest first."""
        features = [image]
        for level in self.levels:
            features.append(level(features[-1]))
        return features[1:]


class Decoder(nn.Module):
    """Up by transposed convolution, added to the encoder's level, one convolution."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        net = plan.network
        steps = range(len(net.features) - 1, 0, -1)
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(
                net.features[n], net.features[n - 1], net.strides[n], net.strides[n]
            )
            for n in steps
        )
        self.join = nn.ModuleList(
            _convolution(width, width, kernel, norm_channels=net.norm_channels)
            for width, kernel in zip(
                net.features[-2::-1], net.kernels[-2::-1], strict=True
            )
        )
        self.output = nn.Conv3d(net.features[0], 1 + len(plan.structures), 1)

    def forward(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """Mask logits on the finest level."""
        features = levels[-1]
        for up, join, skip in zip(self.up, self.join, levels[-2::-1], strict=True):
            features = join(up(features) + skip)
        logits: torch.Tensor = self.output(features)
        return logits


class ClassHead(nn.Module):
    """Linear on pooled features and on the evidence in the mask."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        n_pooled = 2 * sum(plan.network.features[1:])
        over_cohort = plan.network.pooled_norm == "cohort"
        self.norm = CohortNorm(n_pooled) if over_cohort else nn.LayerNorm(n_pooled)
        self.dropout = nn.Dropout(0.3)
        n_evidence = 2 * len(plan.structures)
        self.linear = nn.Linear(n_pooled + n_evidence, len(plan.classes))

    def forward(
        self, levels: list[torch.Tensor], mask_logits: torch.Tensor | None
    ) -> torch.Tensor:
        """Class logits, (n, class)."""
        coarse = levels[1:]
        pooled = [f.float().mean((2, 3, 4)) for f in coarse]
        pooled += [f.float().amax((2, 3, 4)) for f in coarse]
        pooled_all = self.norm(torch.cat(pooled, dim=1))
        # scaled, so that one optimiser step moves a logit little however many there are
        features = self.dropout(pooled_all) / math.sqrt(pooled_all.shape[1])
        if mask_logits is not None:
            features = torch.cat([features, _evidence(mask_logits)], dim=1)
        logits: torch.Tensor = self.linear(features)
        return logits


class CohortNorm(nn.Module):
    """Each feature minus its mean over the training exams, divided by its deviation.

    A norm within the exam keeps what differs between features and shrinks what differs
    between exams: in a sparse volume means differ by hundredths, maxima by units.
    Mean and deviation are running ones in training too, so that an exam counts alike in
    a batch of one and in a batch of 64, and training is what prediction will be.
    """

    mean: torch.Tensor
    variance: torch.Tensor
    steps: torch.Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("variance", torch.ones(n_features))
        self.register_buffer("steps", torch.zeros(()))
        self.weight = nn.Parameter(torch.ones(n_features))
        self.bias = nn.Parameter(torch.zeros(n_features))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Standardise (n, feature); in training mode learn from them first."""
        if self.training:
            self._learn(features.detach())
        scale = torch.rsqrt(self.variance + _EPSILON) * self.weight
        return (features - self.mean) * scale + self.bias

    def _learn(self, features: torch.Tensor) -> None:
        """Exponential moving mean and variance (West 1979), a plain mean at first."""
        self.steps += 1
        share = torch.clamp(1 / self.steps, min=_NEWEST)
        shift = features.mean(0) - self.mean
        spread = features.var(0, correction=0)
        old = self.variance + share * shift**2
        self.variance.copy_((1 - share) * old + share * spread)
        self.mean += share * shift


def _evidence(mask_logits: torch.Tensor) -> torch.Tensor:
    """Log odds at the surest place, log volume of what is likely, (n, 2 * structure).

    Scaled up, so that the few weights on it grow as fast as the many on the features.
    """
    shares = torch.softmax(mask_logits.detach().float(), dim=1)[:, 1:]
    kernel = [min(3, size) for size in shares.shape[2:]]
    smooth = functional.avg_pool3d(shares, kernel, stride=1)
    surest = torch.logit(smooth.amax((2, 3, 4)), eps=1e-4) + 1
    likely = functional.relu(shares - 0.5).mean((2, 3, 4))
    volume = torch.log10(likely + 1e-6) + 5
    return _EVIDENCE_SCALE * torch.cat([surest, volume], dim=1)


class FlatConv3d(nn.Conv3d):
    """A 3D convolution that runs as a 2D one along an axis where nothing happens.

    Where the image has one voxel and the kernel is 1 both are the same sum, and on a
    CPU the 2D one is several times faster (docs/experiments.md). Weights keep their
    shape (out, in, i, j, k).
    """

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Convolve (n, channel, i, j, k)."""
        for axis in (2, 1, 0):
            if image.shape[2 + axis] == 1 and self.kernel_size[axis] == 1:
                return self._in_plane(image, axis)
        return super().forward(image)

    def _in_plane(self, image: torch.Tensor, axis: int) -> torch.Tensor:
        kept = [n for n in range(3) if n != axis]
        features = functional.conv2d(
            image.squeeze(2 + axis),
            self.weight.squeeze(2 + axis),
            self.bias,
            [self.stride[n] for n in kept],
            [int(self.padding[n]) for n in kept],
        )
        return features.unsqueeze(2 + axis)


def _convolution(
    before: int,
    after: int,
    kernel: tuple[int, int, int],
    stride: tuple[int, int, int] = (1, 1, 1),
    norm_channels: int = 1,
) -> nn.Module:
    """Convolution, a norm of `norm_channels` a group, leaky ReLU."""
    i, j, k = kernel
    layers = OrderedDict[str, nn.Module](
        conv=FlatConv3d(before, after, kernel, stride, (i // 2, j // 2, k // 2)),
        adn=ADN(
            "NA",
            after,
            act=("LEAKYRELU", {"inplace": True}),
            norm=("GROUP", {"num_groups": after // math.gcd(after, norm_channels)}),
            norm_dim=3,
        ),
    )
    return nn.Sequential(layers)
