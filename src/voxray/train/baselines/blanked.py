"""The network on images without content: what the crop alone gives away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxray.core.geometry import Shape, VoxelGrid
from voxray.core.records import ExamId
from voxray.core.specs import FoldValues, Plan
from voxray.model import Compute, Member, centre_slices, fit_to, predict_ensemble
from voxray.preprocess import CachedExam

_MOST_STEPS = 500
_MARGIN = 1.0  # voxels; resampling may add one beyond the scan's edge

Fill = tuple[float, float]
"""Value inside the scan, and how much lower it is beyond it."""


@dataclass(frozen=True, slots=True, eq=False)
class BlankedExam(CachedExam):
    """An exam of which only the extent is left.

    Attributes:
        source: Grid of the scan as it came: where the image had content.
        fills: Per channel in the plan's order.
        shape: What the network sees at once.
        repeats_edge: Whether the padding repeats the scan's edge; otherwise the padding
            is part of the image.
    """

    source: VoxelGrid
    fills: tuple[Fill, ...]
    shape: Shape
    repeats_edge: bool

    @classmethod
    def of(
        cls,
        cached: CachedExam,
        source: VoxelGrid,
        plan: Plan,
        values: FoldValues,
        present: Sequence[str],
    ) -> "BlankedExam":
        """Blank an exam.

        Args:
            cached: The exam itself.
            source: Grid of its first channel as it came.
            plan: Channels, and the network's input.
            values: Of the fold: a "window" channel gets its mean inside.
            present: Channels that the exam has.
        """
        fills = tuple(
            _fill(c, plan, values, c in present)
            for c in (plan.channels[:1] * 3 if plan.colour else plan.channels)
        )
        return cls(
            cached.exam_id,
            cached.image,
            None,
            cached.grid,
            source,
            fills,
            plan.input_shape,
            plan.padding == "edge",
        )

    def read_image(self) -> NDArray[np.float32]:
        """Constant inside the scan, another constant beyond; (channel, *shape).

        Where the padding repeats the edge, a constant would hide where the scan ends.
        There it is noise, the same each time, on that part of the scan which the
        network sees: what is repeated becomes streaks, as it does with content.
        """
        values, spreads = np.array(self.fills, dtype=np.float32).T
        shape = (len(self.fills), 1, 1, 1)
        image = values.reshape(shape) + spreads.reshape(shape) * self._texture()
        return np.asarray(image, dtype=np.float32)

    def _texture(self) -> NDArray[np.float32]:
        """0 inside and -1 beyond, or noise; (channel or 1, i, j, k)."""
        if not self.repeats_edge:
            inside = extent_pattern(self.grid, self.source, self.shape)
            return inside[None].astype(np.float32) - 1
        rng = np.random.default_rng(list(self.exam_id.encode()))
        seen = map(min, self.grid.shape, self.shape)
        return rng.standard_normal((len(self.fills), *seen), dtype=np.float32)


def _fill(channel: str, plan: Plan, values: FoldValues, is_there: bool) -> Fill:  # noqa: FBT001 - private
    if plan.normalisation[channel] != "window":
        return (0.0, 1.0) if is_there else (0.0, 0.0)
    if not is_there:
        return (np.nan, 0.0)
    window = values.windows[channel]
    return (window.mean, max(window.std, 1e-3))


def extent_pattern(
    grid: VoxelGrid, source: VoxelGrid, shape: Shape
) -> NDArray[np.bool_]:
    """Where the network's input lies inside the scan as it came.

    Only what is seen is looked at, however large the scan.

    Args:
        grid: Of the cached array.
        source: Of the scan.
        shape: What the network sees at once; the array is centred in it.
    """
    step = np.linalg.inv(source.affine) @ grid.affine
    parts = zip(centre_slices(grid.shape, shape), grid.shape, strict=True)
    places = np.ogrid[tuple(slice(p.start, min(p.stop, n)) for p, n in parts)]
    inside = np.ones(np.broadcast_shapes(*(p.shape for p in places)), dtype=np.uint8)
    for axis, size in enumerate(source.shape):
        index = step[axis, 3] + sum(
            factor * place for factor, place in zip(step[axis, :3], places, strict=True)
        )
        reach = 0.5 + _MARGIN * float(np.abs(step[axis, :3]).max())
        inside &= (index > -reach) & (index < size - 1 + reach)
    return np.asarray(fit_to(inside[None], shape, background=0)[0] > 0)


def classes_only(plan: Plan) -> Plan:
    """The plan without masks: a blank image has no structure to learn."""
    return plan.model_copy(update={"structures": (), "mask_values": ()})


def blanked_steps(steps: int, share: float) -> int:
    """Steps on blanked images: a share of the fold's, at most 500, at least 1."""
    return max(1, min(_MOST_STEPS, round(share * steps)))


def predict_blanked(
    member: Member, exams: Sequence[BlankedExam], plan: Plan, compute: Compute
) -> Mapping[ExamId, NDArray[np.float32]]:
    """Class probabilities of each exam by the network that learned blanked ones."""
    said = {}
    for exam in exams:
        shares, _ = predict_ensemble([member], exam.read_image(), plan, compute)
        if shares.classes is not None:
            said[exam.exam_id] = shares.classes
    return said
