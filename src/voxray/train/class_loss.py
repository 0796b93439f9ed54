"""What a wrong class costs. A weight per class would come in here."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from voxray.core.specs import Target

_LABEL_SMOOTHING = 0.05
_LEAST_SHARE = 1e-7


def class_loss(
    logits: torch.Tensor, wanted: torch.Tensor, share: torch.Tensor, target: Target
) -> torch.Tensor:
    """Smoothed cross-entropy of a batch, a scalar.

    Exclusive and ordered classes: over the classes. Labels: of each label's being there
    or not, mean over those that are stated; one that is not costs nothing. Both smooth
    alike: two exclusive classes cost what one label of the same log odds costs.

    What is wanted is moved towards the class shares, not towards even ones: the mean
    probability that costs least is then how frequent a class is, however rare.

    Args:
        logits: (n, class) float32.
        wanted: (n, class): 1 or 0, or shares between; NaN for a label nobody stated.
        share: (class,), of the training exams.
        target: How the classes hang together.
    """
    stated = torch.isfinite(wanted)
    known = torch.where(stated, wanted, share)
    smooth = known * (1 - _LABEL_SMOOTHING) + _LABEL_SMOOTHING * share
    if target is not Target.LABELS:
        return functional.cross_entropy(logits, smooth)
    each = functional.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
    return (each * stated).sum() / stated.sum().clamp_min(1)


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
