"""Apply a fitted decision rule. Fitting is in `evaluate`."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from voxray.core.specs import DecisionRule


def decide(probabilities: Mapping[str, float], rule: DecisionRule) -> str:
    """Class a person would be told.

    Args:
        probabilities: One per class of `rule.classes`.
        rule: With an operating point: positive when its probability reaches the
            threshold, else the other class. Without: the likeliest class, the first
            of equals.

    Raises:
        KeyError: If a class is missing.
        ValueError: If a probability is not finite; NaN is below every threshold and
            would read as negative.
    """
    for name in rule.classes:
        if not math.isfinite(probabilities[name]):
            msg = f"the probability of {name!r} is {probabilities[name]}, not a number"
            raise ValueError(msg)
    if rule.operating_point is None:
        return max(rule.classes, key=lambda name: probabilities[name])
    if probabilities[rule.positive] >= rule.operating_point.threshold:
        return rule.positive
    return next(name for name in rule.classes if name != rule.positive)


def ensemble(members: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Mean probability over fold networks.

    Args:
        members: Probabilities of equal shape, one array per network.

    Returns:
        float32 of the same shape; the order of networks does not matter.

    Raises:
        ValueError: Without members.
    """
    if not members:
        msg = "an ensemble needs at least one member"
        raise ValueError(msg)
    total = members[0].astype(np.float64)
    for member in members[1:]:
        total += (
            member  # one at a time: masks of a large CT fill the memory when stacked
        )
    return np.asarray(total / len(members), dtype=np.float32)
