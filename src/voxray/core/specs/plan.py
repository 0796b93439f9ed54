"""The plan: how scans become network input, and which network; made by preprocess."""

import math
from collections.abc import Sequence
from typing import Literal

from voxray.core.specs.base import Spec
from voxray.core.specs.target import Target

COLOURS = ("red", "green", "blue")
Spacing = tuple[float, float, float]
Voxels = tuple[int, int, int]
Padding = Literal["edge", "minimum"]
_AXES = range(3)


class NetworkPlan(Spec):
    """Encoder-decoder of `features` per level; `strides[n]` leads into level n.

    Attributes:
        features: Channels per level, finest first.
        strides: Per level and axis; the first is (1, 1, 1).
        kernels: Per level and axis; 1 along an axis that is still too coarse.
        pooled_norm: What the class head standardises pooled features over: the
            features of one "exam", or each one over the "cohort" trained on.
        evidence: What the class head reads off the mask: its "size", or
            "size_and_looks" through a hidden layer. Older models have the default.
    """

    features: tuple[int, ...]
    strides: tuple[Voxels, ...]
    kernels: tuple[Voxels, ...]
    pooled_norm: Literal["exam", "cohort"] = "exam"
    evidence: Literal["size", "size_and_looks"] = "size"

    @property
    def factors(self) -> Voxels:
        """Voxels per axis that become one on the coarsest level."""
        i, j, k = (math.prod(stride[axis] for stride in self.strides) for axis in _AXES)
        return (i, j, k)

    def round_up(self, shape: Sequence[float]) -> Voxels:
        """Smallest shape that holds `shape` and that the strides divide evenly."""
        i, j, k = (
            math.ceil(n / f - 1e-6) * f
            for n, f in zip(shape, self.factors, strict=True)
        )
        return (i, j, k)


class Plan(Spec):
    """From a scan to network input and back. Geometry only: shared by all folds.

    Attributes:
        channels: Order of the array's first axis. The others are read on the first
            one's grid.
        modality: DICOM codes seen in any channel, "" for NIfTI.
        spacing_mm: Of the cached arrays, axes nearest R, A, S.
        input_shape: Voxels (i, j, k) the network sees at once.
        padding: What stands where the input reaches beyond the scan: its "edge" voxels
            repeated, or each channel's "minimum".
        whole_volume: Whether nearly every scan fits into `input_shape`. Smaller scans
            are centre-padded; larger ones give patches of that shape in training.
        normalisation: Per channel: "zscore" by the scan's own values, "window" by
            values learned in each fold.
        colour: Whether the one channel comes as red, green and blue.
        longer_side_mm: What the longer side of a plane counts as, whatever its pixels;
            None: planes have the spacing they state, as volumes do.
        classes: Of the classification head, empty without one; its labels where they
            do not exclude each other.
        target: How the classes hang together.
        structures: Names of the segmentation classes, empty without that head;
            network channel n + 1 is structure n, channel 0 the background.
        mask_values: Voxel value per structure in mask files.
        mirror_axes: Axes that augmentation may flip.
        test_time_augmentation: Whether a prediction averages the mirror images too.
        mixup: Whether training shows each exam mixed with another, and wants both
            their classes in the same shares.
        reasons: Why each value was chosen, for a person.
    """

    schema_version: Literal[1] = 1
    channels: tuple[str, ...]
    modality: tuple[str, ...]
    spacing_mm: Spacing
    input_shape: Voxels
    padding: Padding = "minimum"
    whole_volume: bool
    normalisation: dict[str, Literal["zscore", "window"]]
    colour: bool = False
    longer_side_mm: float | None = None
    classes: tuple[str, ...] = ()
    target: Target = Target.EXCLUSIVE
    structures: tuple[str, ...] = ()
    mask_values: tuple[int, ...] = ()
    mirror_axes: tuple[int, ...] = ()
    test_time_augmentation: bool = False
    mixup: bool = False
    network: NetworkPlan
    batch_size: int
    reasons: dict[str, str]

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the network sees beside each other, in order: channels, or colours."""
        return COLOURS if self.colour else self.channels


class IntensityWindow(Spec):
    """Clip to [low, high], then subtract `mean` and divide by `std`; source units."""

    low: float
    high: float
    mean: float
    std: float


class FoldValues(Spec):
    """What one fold learned from its training patients' values.

    Attributes:
        windows: Per channel with "window" normalisation.
        class_share: Share of training exams per class; of labels, the share of those
            that state it in which it is there. A label that none states is absent.
        structure_share: Share of training voxels per structure.
        structure_exams: Training exams in which each structure has voxels.
        on_structure: Share of patches that are centred on a structure, each structure
            of the exam as often as the others, so that a rare one is seen.
        n_exams: Exams it was learned from.
    """

    schema_version: Literal[1] = 1
    windows: dict[str, IntensityWindow] = {}
    class_share: dict[str, float] = {}
    structure_share: dict[str, float] = {}
    structure_exams: dict[str, int] = {}
    on_structure: float = 0.5
    n_exams: int
