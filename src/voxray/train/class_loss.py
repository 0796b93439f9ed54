"""What a wrong class costs. A weight per class would come in here."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from voxray.core.specs import Target

_LABEL_SMOOTHING = 0.05
_MOST_SHARE = 2.5
_LEAST_SHARE = 1e-7


def class_loss(
    logits: torch.Tensor, wanted: torch.Tensor, towards: torch.Tensor, target: Target
) -> torch.Tensor:
    """Smoothed cross-entropy of a batch, a scalar.

    Exclusive and ordered classes: over the classes. Labels: of each label's being there
    or not, mean over those that are stated; one that is not costs nothing. Both smooth
    alike: two exclusive classes cost what one label of the same log odds costs.

    What is wanted is moved towards even classes, but towards a rare one by no more than
    it is frequent; see `smoothing_target`.

    Args:
        logits: (n, class) float32.
        wanted: (n, class): 1 or 0, or shares between; NaN for a label nobody stated.
        towards: (class,), from `smoothing_target`.
        target: How the classes hang together.
    """
    stated = torch.isfinite(wanted)
    known = torch.where(stated, wanted, towards)
    smooth = known * (1 - _LABEL_SMOOTHING) + _LABEL_SMOOTHING * towards
    if target is not Target.LABELS:
        return functional.cross_entropy(logits, smooth)
    each = functional.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
    return (each * stated).sum() / stated.sum().clamp_min(1)


def smoothing_target(share: torch.Tensor, target: Target) -> torch.Tensor:
    """What smoothing moves towards, (class,): even shares, or less of a rare class.

    A class gets at most 2.5 times its share, and its part of what is left over, so that
    the mean probability that costs least is at most an eighth too high. Even smoothing
    more than doubles that of a class of 2 %.

    Args:
        share: (class,), of the training exams; of no class without a class head.
        target: How the classes hang together.
    """
    if target is not Target.LABELS:
        most = (_MOST_SHARE * share).clamp_max(1 / max(1, len(share)))
        return most + (1 - most.sum()) * share
    pair = torch.stack([1 - share, share])
    most = (_MOST_SHARE * pair).clamp_max(0.5)
    return (most + (1 - most.sum(dim=0)) * pair)[1]


def log_loss(
    shares: NDArray[np.float32], wanted: NDArray[np.float64], target: Target
) -> float:
    """Log loss of one exam, without smoothing; of labels the mean over those stated.

    Args:
        shares: (class,) probabilities.
        wanted: (class,) as in `class_loss`; at least one label is stated.
        target: How the classes hang together.
    """
    there = np.clip(shares.astype(np.float64), _LEAST_SHARE, 1)
    each = -np.nan_to_num(wanted) * np.log(there)
    if target is not Target.LABELS:
        return float(each.sum())
    absent = np.clip(1 - shares.astype(np.float64), _LEAST_SHARE, 1)
    each -= np.nan_to_num(1 - wanted) * np.log(absent)
    return float(each[np.isfinite(wanted)].mean())
