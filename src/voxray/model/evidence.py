"""What a predicted mask says about the class: how sure, how large, how it looks."""

import torch
from torch import nn
from torch.nn import functional

from voxray.core.specs import Plan

_SCALE = 4.0  # so that the few weights on it grow as fast as the many on the features
_OLD_SCALE = 5.0
_HIDDEN = 16
_AXES = (2, 3, 4)
_AROUND = 3  # voxels a local mean is taken over
_FLOOR = 0.5  # voxels' worth of everywhere: a plain mean where nothing is predicted


class MaskEvidence(nn.Module):
    """Features of the class head that are read off the predicted mask.

    Size and looks matter together (a small dense lesion is not a large dense one),
    so a hidden layer stands beside the plain values. No gradient flows into the mask:
    it stays what was drawn. Older models have "size" alone.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.kind = plan.network.evidence
        n_values = _n_values(plan)
        self.hidden = (
            nn.Sequential(nn.Linear(n_values, _HIDDEN), nn.LeakyReLU())
            if self.kind == "size_and_looks"
            else None
        )
        self.n_features = n_values + (_HIDDEN if self.hidden is not None else 0)

    def forward(self, image: torch.Tensor, mask_logits: torch.Tensor) -> torch.Tensor:
        """Read the mask.

        Args:
            image: (n, channel, i, j, k), normalised.
            mask_logits: (n, 1 + structure, i, j, k), background first.

        Returns:
            (n, feature), float32.
        """
        shares = torch.softmax(mask_logits.detach().float(), dim=1)[:, 1:]
        if self.hidden is None:
            return _OLD_SCALE * torch.cat([_surest(shares), _volume(shares)], dim=1)
        values = torch.cat(
            [
                _surest(shares) / 2,
                _volume(shares) - 2,
                _cross_sections(shares),
                _looks(shares, image.detach().float()),
            ],
            dim=1,
        )
        return _SCALE * torch.cat([values, self.hidden(values)], dim=1)


def mean_inside(features: torch.Tensor, mask_logits: torch.Tensor) -> torch.Tensor:
    """Mean of features over the predicted structures.

    Args:
        features: (n, feature, i, j, k), on the mask's grid or a coarser one.
        mask_logits: (n, 1 + structure, i, j, k); no gradient flows into them.

    Returns:
        (n, feature); the plain mean where no structure is predicted.
    """
    i, j, k = features.shape[2:]
    share = functional.adaptive_avg_pool3d(_any(mask_logits), (i, j, k))
    weight = share + _FLOOR / share[0].numel()
    return (features * weight).sum(_AXES) / weight.sum(_AXES)


def max_inside(features: torch.Tensor, mask_logits: torch.Tensor) -> torch.Tensor:
    """Maximum of features, each times how likely a structure is there; as above."""
    i, j, k = features.shape[2:]
    share = functional.adaptive_max_pool3d(_any(mask_logits), (i, j, k))
    return (features * share).amax(_AXES)


def _any(mask_logits: torch.Tensor) -> torch.Tensor:
    """Probability of the likeliest structure, (n, 1, i, j, k)."""
    shares = torch.softmax(mask_logits.detach().float(), dim=1)
    return shares[:, 1:].amax(1, keepdim=True)


def _n_values(plan: Plan) -> int:
    size = 2 * len(plan.structures)
    if plan.network.evidence == "size":
        return size
    looks = 4 * len(plan.inputs) * len(plan.structures)
    return size + len(_AXES) * len(plan.structures) + looks


def _surest(shares: torch.Tensor) -> torch.Tensor:
    """Log odds at the surest place, smoothed, (n, structure)."""
    kernel = [min(_AROUND, size) for size in shares.shape[2:]]
    smooth = functional.avg_pool3d(shares, kernel, stride=1)
    return torch.logit(smooth.amax(_AXES), eps=1e-4) + 1


def _volume(shares: torch.Tensor) -> torch.Tensor:
    """Log of the share of the input that is likely structure, (n, structure)."""
    likely = functional.relu(shares - 0.5).mean(_AXES)
    return torch.log10(likely + 1e-6) + 5


def _cross_sections(shares: torch.Tensor) -> torch.Tensor:
    """Log share of the largest cross-section along each axis, (n, 3 * structure).

    Steadier than the volume where slices are thick or few.
    """
    likely = 2 * functional.relu(shares - 0.5)
    largest = [
        likely.mean([other for other in _AXES if other != axis]).amax(2)
        for axis in _AXES
    ]
    return 2 * (torch.log10(torch.cat(largest, dim=1) + 1e-4) + 2)


def _looks(shares: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Each channel inside: mean, deviation, brightest, darkest.

    One voxel of zeros is added to the first two, so that an empty mask gives 0 and a
    small one is believed less. The last two are of local means, and half of them, since
    they reach far.

    Returns:
        (n, 4 * channel * structure).
    """
    likely = 2 * functional.relu(shares - 0.5)[:, :, None]
    n_voxels = likely.sum((3, 4, 5)) + 1
    voxels = image[:, None]
    mean = (likely * voxels).sum((3, 4, 5)) / n_voxels
    off = (voxels - mean[..., None, None, None]) ** 2
    deviation = ((likely * off).sum((3, 4, 5)) / n_voxels).sqrt()
    brightest = _brightest(likely, voxels) / 2
    darkest = -_brightest(likely, -voxels) / 2
    values = [mean, deviation, brightest, darkest]
    return torch.cat([value.flatten(1) for value in values], dim=1)


def _brightest(likely: torch.Tensor, voxels: torch.Tensor) -> torch.Tensor:
    """Largest local mean inside: what lies outside takes no part; 0 without an inside.

    Args:
        likely: (n, structure, 1, i, j, k), 0 outside.
        voxels: (n, 1, channel, i, j, k).

    Returns:
        (n, structure, channel).
    """
    local = _around(likely * voxels) / _around(likely).clamp_min(1e-6)
    largest = local.masked_fill(likely == 0, -torch.inf).amax((3, 4, 5))
    return torch.where(torch.isfinite(largest), largest, 0)


def _around(values: torch.Tensor) -> torch.Tensor:
    """Mean over the next voxels along each axis that has as many; any leading axes."""
    kernel = [_AROUND if size >= _AROUND else 1 for size in values.shape[3:]]
    pads = [size // 2 for size in kernel]
    flat = functional.avg_pool3d(values.flatten(0, 1), kernel, 1, pads)
    return flat.view(values.shape)
