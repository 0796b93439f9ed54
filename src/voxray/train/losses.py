"""What training minimises: one term per head."""

import math

import torch
from monai.losses.dice import DiceLoss
from torch.nn import functional

from voxray.core.specs import FoldValues, Plan
from voxray.model import NetworkOutput
from voxray.train.batches import Batch
from voxray.train.class_loss import class_loss, smoothing_target

_RARITY = 0.2
_LARGEST_WEIGHT = 20.0
_UNKNOWN = 0.5  # of a label that no training exam states


class TaskLoss(torch.nn.Module):
    """Soft Dice and cross-entropy for masks, `class_loss` for classes, summed.

    Dice is taken over the batch, so that an exam without a structure does not ask for
    the impossible. Cross-entropy weighs a rare structure more; see `structure_weights`.
    """

    def __init__(self, plan: Plan, values: FoldValues, device: torch.device) -> None:
        super().__init__()
        self.dice = DiceLoss(
            include_background=False, to_onehot_y=True, softmax=True, batch=True
        )
        self.weights = structure_weights(plan, values).to(device)
        self.target = plan.target
        shares = [values.class_share.get(name, _UNKNOWN) for name in plan.classes]
        self.towards = smoothing_target(torch.tensor(shares), plan.target).to(device)

    def forward(self, output: NetworkOutput, batch: Batch) -> torch.Tensor:
        """Loss of one batch, a scalar."""
        terms = []
        if output.mask_logits is not None and batch.mask is not None:
            terms.append(self._mask_loss(output.mask_logits.float(), batch.mask))
        if output.class_logits is not None and batch.classes is not None:
            terms.append(
                class_loss(
                    output.class_logits.float(),
                    batch.classes,
                    self.towards,
                    self.target,
                )
            )
        return torch.stack(terms).sum()

    def _mask_loss(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        labels = mask[:, 0].long()
        overlap: torch.Tensor = self.dice(logits, mask)
        return overlap + functional.cross_entropy(logits, labels, self.weights)


def structure_weights(plan: Plan, values: FoldValues) -> torch.Tensor:
    """Weight per mask channel in the cross-entropy, background first.

    A fifth of the square root of how many times rarer a structure is than the rest,
    between 1 and 20: a structure of 4 % or more keeps 1, one of 0.03 % gets 11.
    """
    weights = [1.0]
    for name in plan.structures:
        share = min(max(values.structure_share.get(name, 1.0), 1e-9), 1.0)
        rarity = math.sqrt((1 - share) / share)
        weights.append(min(max(_RARITY * rarity, 1.0), _LARGEST_WEIGHT))
    return torch.tensor(weights)
