"""The recipe in constants: what is the same for every fold."""

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


def average_decay(step: int) -> float:
    """Weight of the past after `step` steps: the average's memory grows with them."""
    return min(EMA_DECAY, (1 + step) / (10 + step)) if step else 0.0
