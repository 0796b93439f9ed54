"""What training minimises: one term per head."""

import torch
from monai.losses.dice import DiceCELoss
from torch.nn import functional

from voxray.core.specs import Plan
from voxray.model import NetworkOutput
from voxray.train.batches import Batch

_LABEL_SMOOTHING = 0.05


class TaskLoss(torch.nn.Module):
    """Soft Dice and cross-entropy for masks, cross-entropy for classes, summed.

    Dice is taken over the batch, so that an exam without a structure does not ask for
    the impossible.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.mask_loss = DiceCELoss(
            include_background=False, to_onehot_y=True, softmax=True, batch=True
        )

    def forward(self, output: NetworkOutput, batch: Batch) -> torch.Tensor:
        """Loss of one batch, a scalar."""
        terms = []
        if output.mask_logits is not None and batch.mask is not None:
            terms.append(self.mask_loss(output.mask_logits.float(), batch.mask))
        if output.class_logits is not None and batch.classes is not None:
            terms.append(
                functional.cross_entropy(
                    output.class_logits.float(),
                    batch.classes,
                    label_smoothing=_LABEL_SMOOTHING,
                )
            )
        return torch.stack(terms).sum()
