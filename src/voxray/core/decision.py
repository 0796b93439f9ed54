"""Apply a fitted decision rule: calibrate, decide, refer. Fitting is in `evaluate`."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from voxray.core.calibration import LEAST, calibrated, log_odds, tempered
from voxray.core.specs import DecisionRule, Target
from voxray.core.specs.task import LABEL_SEPARATOR, NO_LABEL


def calibrate(
    probabilities: Mapping[str, float], rule: DecisionRule
) -> dict[str, float]:
    """Probabilities as the rule's calibration has them; the same without one.

    Args:
        probabilities: One per class of `rule.classes`, as the networks gave them.
        rule: Of two classes the positive one is calibrated, and the other gets the
            rest; more are calibrated together, labels each by itself.

    Raises:
        KeyError: If a class is missing.
    """
    given = np.array([[probabilities[name] for name in rule.classes]], dtype=np.float64)
    if rule.target is Target.LABELS:
        own = [rule.calibrations.get(name) for name in rule.classes]
        columns = zip(given.T, own, strict=True)
        said = np.stack([calibrated(p, how) for p, how in columns], axis=1)
    elif len(rule.classes) == 2 and rule.calibration is not None:  # noqa: PLR2004
        of_positive = rule.classes.index(rule.positive)
        share = calibrated(given[:, of_positive], rule.calibration)
        both = [1 - share, share] if of_positive else [share, 1 - share]
        said = np.stack(both, axis=1)
    else:
        said = tempered(given, rule.calibration)
    return {n: float(p) for n, p in zip(rule.classes, said[0], strict=True)}


def decide(probabilities: Mapping[str, float], rule: DecisionRule) -> str:
    """What a person would be told.

    Args:
        probabilities: One per class of `rule.classes`, after `calibrate`.
        rule: Two classes with an operating point: positive when its probability
            reaches the threshold, else the other class. Other exclusive classes: the
            likeliest, the first of equals. Ordered classes: the median. Labels: those
            that reach their thresholds, in the order of `rule.classes`, joined by ";",
            or "none".

    Raises:
        KeyError: If a class is missing.
        ValueError: If a probability is not finite; NaN is below every threshold and
            would read as negative.
    """
    for name in rule.classes:
        if not math.isfinite(probabilities[name]):
            msg = f"the probability of {name!r} is {probabilities[name]}, not a number"
            raise ValueError(msg)
    match rule.target:
        case Target.EXCLUSIVE:
            return _one_class(probabilities, rule)
        case Target.ORDINAL:
            ordered = np.array([[probabilities[name] for name in rule.classes]])
            return rule.classes[int(median_class(ordered)[0])]
        case Target.LABELS:
            there = _labels_there(probabilities, rule)
            return LABEL_SEPARATOR.join(there) or NO_LABEL


def _one_class(probabilities: Mapping[str, float], rule: DecisionRule) -> str:
    if rule.operating_point is None:
        return max(rule.classes, key=lambda name: probabilities[name])
    if probabilities[rule.positive] >= rule.operating_point.threshold:
        return rule.positive
    return next(name for name in rule.classes if name != rule.positive)


def _labels_there(probabilities: Mapping[str, float], rule: DecisionRule) -> list[str]:
    points = rule.operating_points
    return [n for n in rule.classes if probabilities[n] >= points[n].threshold]


def uncertainty(probabilities: Mapping[str, float], rule: DecisionRule) -> float:
    """How near the decision is to another one: 0.5 at the edge, towards 0 far from it.

    With m, the difference in log odds from the nearest probability that would be
    decided otherwise, it is 1 / (1 + exp(m)). At a threshold of 0.5 that is one less
    the probability of the decided class, which no more elaborate score of a classifier
    beats reliably (Jaeger et al. 2023, ICLR); any other threshold is moved there.

    Args:
        probabilities: One per class of `rule.classes`, after `calibrate`.
        rule: Two classes and labels are compared with their thresholds, of labels the
            nearest counts; other exclusive classes with the second likeliest; ordered
            ones by their cumulative probabilities with one half.

    Raises:
        KeyError: If a class is missing.
    """
    given = np.array([probabilities[name] for name in rule.classes], dtype=np.float64)
    if rule.target is Target.LABELS:
        cuts = [rule.operating_points[name].threshold for name in rule.classes]
        margins = np.abs(log_odds(given) - log_odds(np.array(cuts)))
    elif rule.target is Target.ORDINAL:
        margins = np.abs(log_odds(np.cumsum(given)[:-1]))
    elif rule.operating_point is not None:
        cut = np.array(rule.operating_point.threshold)
        margins = np.abs(
            log_odds(np.array(probabilities[rule.positive])) - log_odds(cut)
        )
    else:
        second, first = np.sort(np.maximum(given, LEAST))[-2:]
        margins = np.log(first / second)
    return float(1 / (1 + np.exp(np.min(margins))))


def refers(found: float, rule: DecisionRule) -> bool | None:
    """Whether a person should decide; None where no rule was stated.

    Args:
        found: From `uncertainty`.
        rule: Says from which on.
    """
    return None if rule.refer is None else found >= rule.refer.uncertainty


def median_class(probabilities: NDArray[np.floating]) -> NDArray[np.intp]:
    """Number of the class in which the cumulative probability reaches one half.

    Of all classes it has the smallest expected distance to the true one, counted in
    classes; the likeliest class may lie far from where most of the probability is.

    Args:
        probabilities: (exam, class), classes in order; each row sums to 1.
    """
    half = 0.5 - 1e-6  # float32 shares may sum to a little less
    reached = np.cumsum(probabilities, axis=1) >= half
    return np.asarray(np.argmax(reached, axis=1), dtype=np.intp)


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
