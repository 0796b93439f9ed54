"""What is taken out of a predicted mask: pieces too small or too many to be real."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field

from voxray.core.specs.base import Spec


class StructureCleanUp(Spec):
    """Which pieces of one structure stay; all do by default.

    Attributes:
        keep_largest: Only the largest piece.
        min_ml: Only pieces of at least this volume.
    """

    keep_largest: bool = False
    min_ml: Annotated[float, Field(ge=0)] = 0.0

    @property
    def keeps_all(self) -> bool:
        """Whether nothing is taken out."""
        return not self.keep_largest and self.min_ml == 0


class CleanUp(Spec):
    """Rules by structure; one that is not named stays as it is."""

    schema_version: Literal[1] = 1
    structures: dict[str, StructureCleanUp] = {}

    @classmethod
    def of_most(cls, folds: Sequence[Self]) -> Self:
        """Per structure the rule that more than half of the folds chose, if any."""
        names = sorted({name for fold in folds for name in fold.structures})
        kept = {}
        for name in names:
            rules = [fold.structures.get(name, StructureCleanUp()) for fold in folds]
            rule, n = Counter(rules).most_common(1)[0]
            if 2 * n > len(folds) and not rule.keeps_all:
                kept[name] = rule
        return cls(structures=kept)
