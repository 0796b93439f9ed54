"""One encoder-decoder with up to two heads, built from MONAI blocks."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn

from voxray.core.specs import Plan
from voxray.model.evidence import MaskEvidence, max_inside, mean_inside
from voxray.model.heads import class_scores, start_from_shares
from voxray.model.layers import CohortNorm, convolution, full_precision


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
        return NetworkOutput(self.class_head(image, levels, masks), masks)


class Encoder(nn.Module):
    """Two convolutions per level, the first one strided; one on the finest level.

    On a CPU the finest level costs most of a step, and its second convolution buys less
    than the steps it takes (docs/experiments.md).
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        net = plan.network
        widths = (len(plan.inputs), *net.features)
        self.levels = nn.ModuleList(
            nn.Sequential(
                convolution(before, after, kernel, stride),
                *([convolution(after, after, kernel)] if level else []),
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
            convolution(width, width, kernel)
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

    Features are pooled over the volume; with a mask inside what it says is a structure.
    Where both are there, training hides one or the other from two exams in three, so
    that each learns to decide alone; prediction weighs them equally. Features that know
    the training exams by heart would otherwise leave nothing for the mask to explain.
    The last layer depends on how the classes hang together; see `class_scores`.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        widths = plan.network.features
        n_pooled = 2 * sum(widths[1:] or widths)
        over_cohort = plan.network.pooled_norm == "cohort"
        self.norm = CohortNorm(n_pooled) if over_cohort else nn.LayerNorm(n_pooled)
        self.dropout = nn.Dropout(0.3)
        self.evidence = MaskEvidence(plan) if plan.structures else None
        self.looks_inside = plan.network.evidence == "size_and_looks"
        n_evidence = self.evidence.n_features if self.evidence is not None else 0
        self.plan = plan
        n_features = n_pooled + n_evidence
        self.linear = class_scores(plan.target, n_features, len(plan.classes))

    def start_from(self, class_share: Mapping[str, float]) -> None:
        """Begin with the shares of the classes; without them with chance."""
        if self.plan.classes and set(self.plan.classes) <= set(class_share):
            share = torch.tensor([class_share[name] for name in self.plan.classes])
            start_from_shares(self.linear, self.plan.target, share)

    def forward(
        self,
        image: torch.Tensor,
        levels: list[torch.Tensor],
        mask_logits: torch.Tensor | None,
    ) -> torch.Tensor:
        """Class logits, (n, class)."""
        pooled = self.norm(self._pooled(levels[1:] or levels, mask_logits))
        # scaled, so that one optimiser step moves a logit little however many there are
        features = self.dropout(pooled) / math.sqrt(pooled.shape[1])
        if self.evidence is not None and mask_logits is not None:
            evidence = self.evidence(image, mask_logits)
            if self.looks_inside:
                share = self._turns(features)
                features, evidence = features * share, evidence * (1 - share)
            features = torch.cat([features, evidence], dim=1)
        # in half precision, exams of nearly the same probability would become equal
        with full_precision(features.device):
            logits: torch.Tensor = self.linear(features.float())
        return logits

    def _pooled(
        self, levels: list[torch.Tensor], mask_logits: torch.Tensor | None
    ) -> torch.Tensor:
        """Mean and maximum per level: inside the mask, or over the volume."""
        features = [level.float() for level in levels]
        if mask_logits is None or not self.looks_inside:
            means = [f.mean((2, 3, 4)) for f in features]
            return torch.cat(means + [f.amax((2, 3, 4)) for f in features], dim=1)
        means = [mean_inside(f, mask_logits) for f in features]
        return torch.cat(means + [max_inside(f, mask_logits) for f in features], dim=1)

    def _turns(self, features: torch.Tensor) -> torch.Tensor:
        """Weight of the pooled features, (n, 1): a half; in training 0, a half or 1."""
        n = len(features)
        if not self.training:
            return features.new_full((n, 1), 0.5)
        return torch.randint(0, 3, (n, 1), device=features.device) / 2
