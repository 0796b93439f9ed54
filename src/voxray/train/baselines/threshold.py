"""Grey values between two bounds: the segmentation nobody had to train."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Labels = NDArray[np.uint8]

_START, _WIDTH, _BINS = -5.0, 0.1, 102  # of normalised values; the outer bins are open
_MOST_VOXELS = 2_000_000


@dataclass(frozen=True, slots=True)
class Threshold:
    """One structure is where a channel lies in [low, high).

    Attributes:
        channel: Index into the plan's channels.
        low: Of the normalised value; may be minus infinity.
        high: May be infinity.
        dice: Mean over the training exams.
    """

    channel: int
    low: float
    high: float
    dice: float

    def mask(self, image: Image) -> NDArray[np.bool_]:
        """Where the structure is said to be, (i, j, k).

        Args:
            image: (channel, i, j, k) after `apply_fold_values`.
        """
        values = image[self.channel]
        return np.asarray((values >= self.low) & (values < self.high))


def fit_threshold(
    exams: Iterable[tuple[Image, Labels]], n_structures: int
) -> Sequence[Threshold]:
    """Per structure the window with the best mean Dice over training exams.

    One pass over the exams, one at a time: a histogram of each says what every window
    would give. Of exams beyond two million voxels every n-th voxel is read. Exams in
    which a structure is not drawn do not count for it.

    Args:
        exams: Normalised images and masks (0 background, n + 1 structure n).
        n_structures: How many.
    """
    total = np.zeros((n_structures, 1, _BINS, _BINS))
    n_drawn = np.zeros(n_structures)
    for image, labels in exams:
        drawn, dice = _dice_of_windows(image, labels, n_structures)
        total = total + dice
        n_drawn += drawn
    mean = total / np.maximum(n_drawn, 1)[:, None, None, None]
    return [_best(of_structure) for of_structure in mean]


def _dice_of_windows(
    image: Image, labels: Labels, n_structures: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which structures are drawn; Dice by structure, channel, first and last bin."""
    step = max(1, labels.size // _MOST_VOXELS)
    few = labels.reshape(-1)[::step]
    bins = [_binned(channel.reshape(-1)[::step]) for channel in image]
    drawn = np.array([(few == n + 1).any() for n in range(n_structures)])
    dice = np.zeros((n_structures, len(image), _BINS, _BINS))
    for structure in np.flatnonzero(drawn):
        hit = few == structure + 1
        for number, own in enumerate(bins):
            dice[structure, number] = _windows(own, hit)
    return drawn, dice


def _binned(values: Image) -> NDArray[np.intp]:
    place = np.floor((values - np.float32(_START)) / np.float32(_WIDTH)) + 1
    return np.asarray(np.clip(np.nan_to_num(place), 0, _BINS - 1), dtype=np.intp)


def _windows(bins: NDArray[np.intp], hit: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Dice of every window from bin a to bin b, [a, b]; 0 below the diagonal."""
    all_ = np.bincount(bins, minlength=_BINS).cumsum()
    of_structure = np.bincount(bins[hit], minlength=_BINS).cumsum()
    said, right = (_between(counts) for counts in (all_, of_structure))
    return np.asarray(2 * right / (said + of_structure[-1]), dtype=np.float64)


def _between(cumulative: NDArray[np.intp]) -> NDArray[np.float64]:
    before = np.concatenate([[0], cumulative[:-1]])
    counts = np.triu(cumulative[None, :] - before[:, None])
    return np.asarray(counts, dtype=np.float64)


def _best(dice: NDArray[np.float64]) -> Threshold:
    channel, first, last = np.unravel_index(int(dice.argmax()), dice.shape)
    low = -math.inf if first == 0 else _START + _WIDTH * (int(first) - 1)
    high = math.inf if last == _BINS - 1 else _START + _WIDTH * int(last)
    best = float(dice[channel, first, last])
    return Threshold(int(channel), low, high, best)
