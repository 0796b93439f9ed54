"""Tissue maps of the MNI152 template (Fonov et al. 2011) that nilearn ships."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from voxray.core.errors import ConfigError

_DEEP_MM = 3.5
_LOWEST_LESION_MM = -12.0  # below lie brain stem and cerebellum
_WHITE = 0.7
_BRAIN = 0.02
_T1_OF_GREY, _T1_OF_WHITE, _T1_OF_FLUID = 0.66, 0.88, 0.35


@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """What every invented patient is grown from, brain only.

    Attributes:
        grey, white, fluid: Share of a voxel, 0 to 1, (i, j, k) float32.
        texture: What the T1 template shows beyond the three tissues, float32.
        affine: (4, 4), voxel index to RAS+ mm of the MNI152 space.
        deep_white_mm: (n, 3), points well inside the white matter, RAS+ mm.
    """

    grey: NDArray[np.float32]
    white: NDArray[np.float32]
    fluid: NDArray[np.float32]
    texture: NDArray[np.float32]
    affine: NDArray[np.float64]
    deep_white_mm: NDArray[np.float64]


def load_templates() -> Templates:
    """Load the template at 2 mm; nothing is downloaded.

    Raises:
        ConfigError: If nilearn, which ships it, is not installed.
    """
    t1, grey, white, affine = _load_halved()
    brain = t1 > _BRAIN
    fluid = np.clip(brain - grey - white, 0, 1).astype(np.float32)
    usual = _T1_OF_GREY * grey + _T1_OF_WHITE * white + _T1_OF_FLUID * fluid
    texture = np.where(brain, t1 - usual, 0).astype(np.float32)
    deep = _deep_white_mm(white, affine)
    return Templates(grey, white, fluid, texture, affine, deep)


def _load_halved() -> tuple[
    NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]
]:
    try:
        from nilearn import datasets  # an extra: only the demonstration needs it
    except ImportError as error:
        msg = (
            "the embedded cohort grows from templates that nilearn ships, and nilearn "
            "is not installed; install it with: pip install 'voxray[demo]'"
        )
        raise ConfigError(msg) from error
    t1 = datasets.load_mni152_template(resolution=1)
    grey = datasets.load_mni152_gm_template(resolution=1)
    white = datasets.load_mni152_wm_template(resolution=1)
    affine = np.array(t1.affine, dtype=np.float64)
    affine[:3, 3] += affine[:3, :3] @ np.full(3, 0.5)
    affine[:3, :3] *= 2
    maps = [_halved(image.get_fdata(dtype=np.float32)) for image in (t1, grey, white)]
    return maps[0], maps[1], maps[2], affine


def _halved(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average blocks of 2 x 2 x 2; an odd last plane is left out."""
    i, j, k = (n // 2 for n in voxels.shape)
    blocks = voxels[: 2 * i, : 2 * j, : 2 * k].reshape(i, 2, j, 2, k, 2)
    return np.asarray(blocks.mean(axis=(1, 3, 5)), dtype=np.float32)


def _deep_white_mm(
    white: NDArray[np.float32], affine: NDArray[np.float64]
) -> NDArray[np.float64]:
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    depth_mm = distance_transform_edt(white > _WHITE, sampling=spacing_mm)
    index = np.argwhere(depth_mm >= _DEEP_MM)
    points = index @ affine[:3, :3].T + affine[:3, 3]
    return np.asarray(points[points[:, 2] > _LOWEST_LESION_MM], dtype=np.float64)
