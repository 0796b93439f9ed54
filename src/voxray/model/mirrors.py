"""Mirror images that are asked about at test time, and averaged."""

import itertools

from voxray.core.specs import Plan

Axes = tuple[int, ...]
"""Spatial axes (0 i, 1 j, 2 k) that are mirrored together; none is the image itself."""


def mirror_images(plan: Plan) -> tuple[Axes, ...]:
    """The image, and where the plan says so every mirror image training has seen.

    Only `plan.mirror_axes` are mirrored: never an axis along which classes differ.
    """
    if not plan.test_time_augmentation:
        return ((),)
    axes = plan.mirror_axes
    return tuple(
        chosen
        for number in range(len(axes) + 1)
        for chosen in itertools.combinations(axes, number)
    )
