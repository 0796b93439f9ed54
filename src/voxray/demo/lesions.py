"""White-matter lesions: lumpy ellipsoids that stay inside the white matter."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from voxray.demo.templates import Templates

_EDGE_MM = 0.8
_APART_MM = 22.0
_SMALLEST_MM, _LARGEST_MM = 5.0, 9.0
_MOST_LESIONS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Lesion:
    """One lesion, in template space.

    Attributes:
        centre_mm: RAS+ mm.
        radii_mm: Half axes along R, A, S.
        lumps: (3,) phases of the dents in its surface.
        contrast: How much brighter than its surroundings, 1 = brightest tissue.
    """

    centre_mm: NDArray[np.float64]
    radii_mm: NDArray[np.float64]
    lumps: NDArray[np.float64]
    contrast: float


def draw_lesions(templates: Templates, rng: np.random.Generator) -> tuple[Lesion, ...]:
    """Draw one to three lesions of 5 to 9 mm radius, 22 mm or more apart."""
    centres: list[NDArray[np.float64]] = []
    wanted = int(rng.integers(1, _MOST_LESIONS + 1))
    while len(centres) < wanted:
        centre = templates.deep_white_mm[rng.integers(len(templates.deep_white_mm))]
        if all(np.linalg.norm(centre - other) >= _APART_MM for other in centres):
            centres.append(centre)
    return tuple(_draw_lesion(centre, rng) for centre in centres)


def _draw_lesion(centre_mm: NDArray[np.float64], rng: np.random.Generator) -> Lesion:
    radius_mm = rng.uniform(_SMALLEST_MM, _LARGEST_MM)
    radii_mm = radius_mm * rng.uniform(0.85, 1.15, 3)
    radii_mm = np.clip(radii_mm, _SMALLEST_MM, _LARGEST_MM)
    lumps = rng.uniform(0, 2 * np.pi, 3)
    return Lesion(centre_mm, radii_mm, lumps, float(rng.uniform(0.2, 0.5)))


def grown(lesion: Lesion, factor: float) -> Lesion:
    """Return the lesion as it is at a later visit, `factor` times as wide."""
    return replace(lesion, radii_mm=lesion.radii_mm * factor)


def lesion_profile(
    lesion: Lesion, points_mm: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How much of the lesion is at each point: 1 inside, 0 outside, a soft edge.

    Args:
        lesion: In template space.
        points_mm: (3, i, j, k), RAS+ mm of the template.

    Returns:
        (i, j, k) float32.
    """
    reach = float(lesion.radii_mm.max() * 1.3 + 5 * _EDGE_MM)
    offset = points_mm - lesion.centre_mm.astype(np.float32)[:, None, None, None]
    near = (np.abs(offset) <= reach).all(axis=0)
    profile = np.zeros(points_mm.shape[1:], dtype=np.float32)
    profile[near] = _soft_edge(lesion, offset[:, near].astype(np.float64))
    return profile


def _soft_edge(lesion: Lesion, offset_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    distance = np.linalg.norm(offset_mm / lesion.radii_mm[:, None], axis=0)
    waves = np.sin(offset_mm * 0.5 + lesion.lumps[:, None]).mean(axis=0)
    depth_mm = (1 + 0.25 * waves - distance) * lesion.radii_mm.mean()
    return np.asarray(1 / (1 + np.exp(-np.clip(depth_mm / _EDGE_MM, -30, 30))))
