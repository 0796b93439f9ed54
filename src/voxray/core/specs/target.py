"""What a class head predicts."""

from enum import StrEnum


class Target(StrEnum):
    """How the classes of a task hang together.

    Attributes:
        EXCLUSIVE: An exam is exactly one of them; probabilities sum to 1.
        ORDINAL: The same, and their order means something; three or more.
        LABELS: Each is there or not, whatever the others are; a probability each.
    """

    EXCLUSIVE = "exclusive"
    ORDINAL = "ordinal"
    LABELS = "labels"
