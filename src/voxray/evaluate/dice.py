"""Overlap of a predicted with a drawn mask."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def dice_per_class(
    pred: NDArray[np.generic], truth: NDArray[np.generic], values: Mapping[str, int]
) -> dict[str, float | None]:
    """Dice of each class, 2 |P and T| / (|P| + |T|), on the grid of the masks.

    Args:
        pred: Label map, any shape.
        truth: Label map on the same grid.
        values: Class name to the value it has in both.

    Returns:
        Per class 0 to 1; 0 when one of the two is empty, None when both are.

    Raises:
        ValueError: If the shapes differ.
    """
    check_same_shape(pred, truth)
    return {
        name: _dice(pred == value, truth == value) for name, value in values.items()
    }


def check_same_shape(pred: NDArray[np.generic], truth: NDArray[np.generic]) -> None:
    """Refuse masks that cannot be on one grid.

    Raises:
        ValueError: If the shapes differ.
    """
    if pred.shape != truth.shape:
        msg = f"masks differ in shape: predicted {pred.shape}, drawn {truth.shape}"
        raise ValueError(msg)


def _dice(pred: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float | None:
    total = int(np.count_nonzero(pred)) + int(np.count_nonzero(truth))
    if total == 0:
        return None
    return 2 * int(np.count_nonzero(pred & truth)) / total
