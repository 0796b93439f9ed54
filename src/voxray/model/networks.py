"""One encoder-decoder with up to two heads, built from MONAI blocks."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from monai.networks.blocks.convolutions import Convolution
from torch import nn
from torch.nn import functional

from voxray.core.specs import Plan
from voxray.model.heads import class_scores, start_from_shares

_EVIDENCE_SCALE = 5.0


class NetworkOutput(NamedTuple):
    """What the heads say; None where the plan has no such head.

    Attributes:
        class_logits: (n, class); `class_probabilities` says what they mean.
        mask_logits: (n, 1 + structure, i, j, k), background first.
    """

    class_logits: torch.Tensor | None
    mask_logits: torch.Tensor | None


class VoxrayNetwork(nn.Module):
    """U-Net encoder; decoder for masks; class head on both.

    The class head sees each encoder level averaged and at its maximum, so that a small
    lesion is not averaged away, and, with a decoder, how sure the mask is at its surest
    place. No gradient of the class flows into the mask through the latter.

    Args:
        plan: Levels and heads.
        class_share: Of the training exams; the class head begins with it.
    """

    def __init__(
        self, plan: Plan, class_share: Mapping[str, float] | None = None
    ) -> None:
        super().__init__()
        self.encoder = Encoder(plan)
        self.decoder = Decoder(plan) if plan.structures else None
        self.class_head = ClassHead(plan) if plan.classes else None
        if self.class_head is not None:
            self.class_head.start_from(class_share or {})

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
        self.levels = nn.ModuleList(
            nn.Sequential(
                _convolution(before, after, kernel, stride),
                *([_convolution(after, after, kernel)] if level else []),
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
            _convolution(width, width, kernel)
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
    """Linear on pooled features and on the evidence in the mask.

    The last layer depends on how the classes hang together; see `class_scores`.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        n_pooled = 2 * sum(plan.network.features[1:])
        self.norm = nn.LayerNorm(n_pooled)
        self.dropout = nn.Dropout(0.3)
        n_evidence = 2 * len(plan.structures)
        self.plan = plan
        n_features = n_pooled + n_evidence
        self.linear = class_scores(plan.target, n_features, len(plan.classes))

    def start_from(self, class_share: Mapping[str, float]) -> None:
        """Begin with the shares of the classes; without them with chance."""
        if self.plan.classes and set(self.plan.classes) <= set(class_share):
            share = torch.tensor([class_share[name] for name in self.plan.classes])
            start_from_shares(self.linear, self.plan.target, share)

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
        # in half precision, exams of nearly the same probability would become equal
        with torch.autocast(features.device.type, enabled=False):
            logits: torch.Tensor = self.linear(features.float())
        return logits


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


def _convolution(
    before: int,
    after: int,
    kernel: tuple[int, int, int],
    stride: tuple[int, int, int] = (1, 1, 1),
) -> nn.Module:
    block: nn.Module = Convolution(
        3,
        before,
        after,
        strides=stride,
        kernel_size=kernel,
        act=("LEAKYRELU", {"inplace": True}),
        norm=("GROUP", {"num_groups": after}),
        adn_ordering="NA",
    )
    return block
