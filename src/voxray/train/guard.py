"""Notices that training went off the rails."""

from dataclasses import dataclass, field

import numpy as np

_BEGINNING = 20  # losses that say what an untrained network costs
_LATEST = 20
_BEFORE = 60
_DEVIATIONS = 6.0
_TIMES = 2.0
_SHARE_OF_BEGINNING = 0.75


@dataclass(slots=True)
class LossGuard:
    """Remembers as many losses as it needs to tell an explosion from noise.

    Attributes:
        beginning: The first losses of the fold.
        recent: The latest ones.
    """

    beginning: list[float] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)

    def explodes(self, loss: float) -> bool:
        """Take in a loss; whether the latest ones are far above those before.

        The median of the last 20 must be above the median of the 60 before by six
        robust deviations and be twice that median, and cost nearly what an untrained
        network costs: a few hard exams in a row do none of this.
        """
        if len(self.beginning) < _BEGINNING:
            self.beginning.append(loss)
        self.recent = [*self.recent, loss][-(_BEFORE + _LATEST) :]
        if len(self.recent) < _BEFORE + _LATEST:
            return False
        before = np.array(self.recent[:_BEFORE])
        middle = float(np.median(before))
        deviation = 1.4826 * float(np.median(np.abs(before - middle)))
        limit = max(
            middle + _DEVIATIONS * max(deviation, 0.1 * abs(middle)),
            _TIMES * middle,
            _SHARE_OF_BEGINNING * float(np.median(self.beginning)),
        )
        return float(np.median(self.recent[_BEFORE:])) > limit
