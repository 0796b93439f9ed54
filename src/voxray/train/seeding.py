"""Everything random in training comes from one seed."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True, slots=True)
class FoldSeed:
    """Names one fold's random streams.

    A stream starts anew with each epoch, so that a resumed run needs no stored state.
    """

    seed: int
    repeat: int
    fold: int

    def numpy(self, epoch: int) -> np.random.Generator:
        """Stream that picks exams and patches of an epoch."""
        return np.random.default_rng((self.seed, self.repeat, self.fold, epoch, 0))

    def noise(self, epoch: int, device: str) -> torch.Generator:
        """Stream of an epoch that fills whole batches where they are."""
        return torch.Generator(device).manual_seed(self._word(epoch, 3))

    def torch(self, epoch: int) -> torch.Generator:
        """Stream that augments the batches of an epoch."""
        return torch.Generator().manual_seed(self._word(epoch, 1))

    def seed_process(self, epoch: int) -> None:
        """Seed what takes no generator: initial weights (epoch 0) and dropout."""
        torch.manual_seed(self._word(epoch, 2))  # noqa: TID251 - the one place

    def _word(self, epoch: int, purpose: int) -> int:
        entropy = (self.seed, self.repeat, self.fold, epoch, purpose)
        return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)
