"""What figures are drawn of: an experiment, or a model on other scans."""

from typing import Protocol

from voxray.core.specs import EvaluateSpec, TaskSpec


class Asked(Protocol):
    """What is predicted, how it is judged, and what stands below every picture."""

    @property
    def task(self) -> TaskSpec:
        """Classes and structures."""

    @property
    def evaluate(self) -> EvaluateSpec:
        """Operating point, level, lesions."""

    @property
    def note(self) -> str:
        """Stands below the pictures."""
