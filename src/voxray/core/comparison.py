"""What a comparison of two predictors says, before it is put into words."""

from dataclasses import dataclass
from enum import StrEnum

from voxray.core.records import Metric


class About(StrEnum):
    """What is compared."""

    MODELS = "models"
    """The trained networks as they are: how the answer varies with the patients."""

    RECIPES = "recipes"
    """The ways of training: how it varies with patients and trainings."""


class Answer(StrEnum):
    """What the interval of a difference says about the first of two."""

    SUPERIOR = "superior"
    NON_INFERIOR = "non-inferior"
    INFERIOR = "inferior"
    SAME = "the same"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """One figure of both, on the same exams.

    Attributes:
        about: Models or recipes.
        first: Of the first, `Metric.model` says which.
        second: Of the second.
        difference: The first less the second; its metric ends in "_difference".
        answer: What the difference says.
        headline: Whether it answers the question; others are details of it.
    """

    about: About
    first: Metric
    second: Metric
    difference: Metric
    answer: Answer
    headline: bool


def answer_of(difference: Metric, margin: float | None) -> Answer:
    """Read a difference by its interval.

    Superior when all of the interval is above 0, non-inferior when all of it is above
    -`margin`, inferior when all of it is below 0 and non-inferiority is not shown.

    Args:
        difference: First less second; higher is better.
        margin: Above 0; None when nobody stated one: then nothing is non-inferior.
    """
    low, high = difference.low, difference.high
    if low is None or high is None:
        return Answer.CANNOT_TELL
    if low > 0:
        return Answer.SUPERIOR
    if margin is not None and low > -margin:
        return Answer.NON_INFERIOR
    return Answer.INFERIOR if high < 0 else Answer.CANNOT_TELL
