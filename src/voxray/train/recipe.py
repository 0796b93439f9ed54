"""The recipe in constants: what is the same for every fold."""

import math

from voxray.core.specs import Plan

CLIP_NORM = 5.0
EMA_DECAY = 0.99
"""Largest weight of the past in the averaged network; see `average_decay`."""

WARM_UP_STEPS = 30

SHORTEST_EPOCH = 20
LONGEST_EPOCH = 100
"""Steps between two rows of the history; a killed run loses about one epoch."""

TIMED_STEPS = 20
"""With a time budget these come first, and say how many steps fill it."""

FEWEST_STEPS = 3 * WARM_UP_STEPS
"""Below this a network has learned nothing; a shorter budget is said or refused."""


FEW_VIEWS, MANY_VIEWS = 20, 160
"""How often an exam is seen whole, where augmentation begins and ends to grow."""

STRONGEST = 2.0
"""Factor on the ranges of augmentation where exams are seen often."""


def augmentation_strength(given: float | None, views: float) -> float:
    """Factor on the ranges: the more often an exam is seen, the more it must differ.

    Args:
        given: Set in the experiment.
        views: How often training sees each exam whole.
    """
    if given is not None:
        return given
    grown = math.log(max(views, FEW_VIEWS) / FEW_VIEWS)
    share = min(1.0, grown / math.log(MANY_VIEWS / FEW_VIEWS))
    return 1 + share * (STRONGEST - 1)


def average_decay(step: int) -> float:
    """Weight of the past after `step` steps: the average's memory grows with them."""
    return min(EMA_DECAY, (1 + step) / (10 + step)) if step else 0.0


def weight_decay(plan: Plan, given: float | None) -> float:
    """Of AdamW: strong where one label an exam is all there is to learn."""
    if given is not None:
        return given
    return 1e-4 if plan.structures else 0.05
