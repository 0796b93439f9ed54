"""What the class head's numbers mean, for each way classes hang together."""

import torch
from torch import nn
from torch.nn import functional

from voxray.core.specs import Target

_RAREST = 0.01
"""A share nearer to 0 or 1 is not started from: it may be chance in a small fold."""


class OrdinalScores(nn.Module):
    """Log probabilities of ordered classes from one score and thresholds along it.

    Cumulative logits with proportional odds (McCullagh 1980, JRSS B 42:109):
    log odds of being above class k are `score - threshold_k`. Thresholds rise, since
    their gaps are a softplus, so no class gets a negative probability.

    Args:
        n_features: Of one exam.
        n_classes: Three or more.
    """

    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.score = nn.Linear(n_features, 1, bias=False)
        self.first = nn.Parameter(torch.zeros(1))
        self.gaps = nn.Parameter(torch.zeros(n_classes - 2))
        self.start_from(torch.full((n_classes,), 1 / n_classes))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(n, feature) to log probabilities (n, class): logits of a softmax too."""
        score = self.score(features).float()
        gaps = functional.softplus(self.gaps.float())
        above = score - torch.cat([self.first.float(), self.first + gaps.cumsum(0)])
        upper = functional.logsigmoid(above)  # log P(class > k)
        lower = functional.logsigmoid(-above)  # log P(class <= k)
        # s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)), and a - b is the gap
        between = upper[:, :-1] + lower[:, 1:] + torch.log(-torch.expm1(-gaps))
        return torch.cat([lower[:, :1], between, upper[:, -1:]], dim=1)

    @torch.no_grad()
    def start_from(self, share: torch.Tensor) -> None:
        """Put the thresholds where a score of 0 gives these class shares."""
        below = share.cumsum(0)[:-1] / share.sum()
        thresholds = torch.logit(below, eps=1e-4)
        self.first.copy_(thresholds[:1])
        gaps = thresholds.diff().clamp_min(1e-2)
        self.gaps.copy_(gaps + torch.log(-torch.expm1(-gaps)))  # inverse of softplus


def class_scores(target: Target, n_features: int, n_classes: int) -> nn.Module:
    """The last layer of a class head; gives logits (n, class)."""
    if target is Target.ORDINAL:
        return OrdinalScores(n_features, n_classes)
    return nn.Linear(n_features, n_classes)


@torch.no_grad()
def start_from_shares(scores: nn.Module, target: Target, share: torch.Tensor) -> None:
    """Let the last layer begin with what is known without looking at an image.

    The first steps then need not learn how frequent a class is.

    Args:
        scores: Of `class_scores`.
        target: How the classes hang together.
        share: (class,) share of the training exams in which each class is.
    """
    share = share.clamp(_RAREST, 1 - _RAREST)
    if isinstance(scores, OrdinalScores):
        scores.start_from(share)
    elif isinstance(scores, nn.Linear):
        labels = target is Target.LABELS
        bias = torch.logit(share) if labels else torch.log(share / share.sum())
        scores.bias.copy_(bias if labels else bias - bias.mean())


def class_probabilities(logits: torch.Tensor, target: Target) -> torch.Tensor:
    """Probabilities (n, class) float32; they sum to 1 but for labels."""
    if target is Target.LABELS:
        return torch.sigmoid(logits.float())
    return torch.softmax(logits.float(), dim=1)
