"""Layers that MONAI lacks, and the block that every level is made of."""

from collections import OrderedDict

import torch
from monai.networks.blocks.acti_norm import ADN
from torch import nn
from torch.nn import functional

_NEWEST = 0.05  # of a running mean: the share of the newest batch
_EPSILON = 1e-5  # of a variance
_COHORT = 8  # exams whose mean and deviation say something
_FARTHEST = 3.0  # deviations


def convolution(
    before: int,
    after: int,
    kernel: tuple[int, int, int],
    stride: tuple[int, int, int] = (1, 1, 1),
) -> nn.Module:
    """Convolution, a norm of one channel a group, leaky ReLU."""
    i, j, k = kernel
    layers = OrderedDict[str, nn.Module](
        conv=FlatConv3d(before, after, kernel, stride, (i // 2, j // 2, k // 2)),
        adn=ADN(
            "NA",
            after,
            act=("LEAKYRELU", {"inplace": True}),
            norm=("GROUP", {"num_groups": after}),
            norm_dim=3,
        ),
    )
    return nn.Sequential(layers)


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


class CohortNorm(nn.Module):
    """Each feature minus its mean over exams, divided by its deviation, about -3 to 3.

    A norm within the exam keeps what differs between features and shrinks what differs
    between exams: in a sparse volume means differ by hundredths, maxima by units.
    In training the exams are those of the batch (Ioffe and Szegedy 2015), or, where it
    is too small for that, those seen so far; in prediction those trained on. An exam
    unlike all of them does not get a score without bound.
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
        mean, variance = self.mean, self.variance
        if self.training:
            self._learn(features.detach())
            if len(features) >= _COHORT:
                mean, variance = features.mean(0), features.var(0, correction=0)
        scores = (features - mean) * torch.rsqrt(variance + _EPSILON)
        bounded = scores * torch.rsqrt(1 + (scores / _FARTHEST) ** 2)
        return bounded * self.weight + self.bias

    def _learn(self, features: torch.Tensor) -> None:
        """Exponential moving mean and variance (West 1979), a plain mean at first."""
        self.steps += 1
        share = torch.clamp(1 / self.steps, min=_NEWEST)
        shift = features.mean(0) - self.mean
        spread = features.var(0, correction=0)
        old = self.variance + share * shift**2
        self.variance.copy_((1 - share) * old + share * spread)
        self.mean += share * shift
