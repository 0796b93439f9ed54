"""Three invented scanners, and how each turns a head into a volume and a mask."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from voxray.core.geometry import Shape, VoxelGrid
from voxray.core.records import Volume
from voxray.demo.anatomy import Anatomy, Pose, template_points_mm
from voxray.demo.lesions import Lesion, lesion_profile
from voxray.demo.templates import Templates
from voxray.scan_io.mr_series import MrScanner

Axes = tuple[tuple[float, float, float], ...]

# Unit vectors of array axes (i, j, k) in RAS+; right-handed, as slices are read.
_AXIAL: Axes = ((-1, 0, 0), (0, -1, 0), (0, 0, 1))
_SAGITTAL: Axes = ((0, -1, 0), (0, 0, -1), (1, 0, 0))
_CORONAL: Axes = ((-1, 0, 0), (0, 0, -1), (0, -1, 0))
_TEXTURE = 0.3  # share of what the T1 template shows beyond the tissues
_IN_MASK = 0.5  # a voxel that is more lesion than not


@dataclass(frozen=True, slots=True)
class DemoScanner:
    """A machine with its own contrast, resolution and slice direction.

    Attributes:
        axes: Unit vectors of array axes in RAS+.
        tilt_degrees: Standard deviation of the slice tilt between visits.
        fluid, white, grey: Signal of the tissues; FLAIR: fluid is dark, lesions bright.
        gamma: Exponent of the contrast curve.
        gain: Pixel value of signal 1.
        noise: Standard deviation of the Rician noise, in signal.
    """

    name: str
    machine: MrScanner
    shape: Shape
    spacing_mm: tuple[float, float, float]
    axes: Axes
    tilt_degrees: float
    fluid: float
    white: float
    grey: float
    gamma: float
    gain: float
    noise: float


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What a visit gives: the image, and the mask (uint8, 1 = lesion) on its grid."""

    volume: Volume
    mask: NDArray[np.uint8]


SCANNERS = (
    DemoScanner(
        "alpha",
        MrScanner("Demo North", "Alpha 3T", "ALPHA1", "Demo North", 3, 9000, 125, 2500),
        (80, 96, 48),
        (2.0, 2.0, 3.5),
        _AXIAL,
        tilt_degrees=6.0,
        fluid=0.12,
        white=0.48,
        grey=0.64,
        gamma=1.0,
        gain=900.0,
        noise=0.025,
    ),
    DemoScanner(
        "beta",
        MrScanner("Demo West", "Beta 15", "BETA1", "Demo West", 1.5, 8000, 110, 2200),
        (100, 88, 44),
        (1.9, 1.9, 3.6),
        _SAGITTAL,
        tilt_degrees=0.0,
        fluid=0.20,
        white=0.46,
        grey=0.60,
        gamma=0.8,
        gain=420.0,
        noise=0.035,
    ),
    DemoScanner(
        "gamma",
        MrScanner(
            "Demo South",
            "Gamma 3T",
            "GAMMA1",
            "Demo South",
            field_tesla=3,
            repetition_ms=9500,
            echo_ms=90,
            inversion_ms=2400,
            numbers_from_last=True,
        ),
        (72, 76, 60),
        (2.2, 2.2, 3.2),
        _CORONAL,
        tilt_degrees=4.0,
        fluid=0.16,
        white=0.53,
        grey=0.67,
        gamma=1.3,
        gain=2600.0,
        noise=0.03,
    ),
)


def acquire(
    templates: Templates,
    anatomy: Anatomy,
    lesions: tuple[Lesion, ...],
    scanner: DemoScanner,
    rng: np.random.Generator,
) -> Scan:
    """Scan a person: pose, signal of the tissues, lesions, coil shading and noise.

    Args:
        templates: The tissue maps.
        anatomy: Whose head.
        lesions: As they are at this visit; none for a healthy person.
        scanner: Where.
        rng: Draws pose, tilt, shading and noise.

    Returns:
        uint16 pixels and the mask, both on the scanner's grid.
    """
    grid = _place_grid(scanner, rng)
    points_mm = template_points_mm(anatomy, Pose.draw(rng), grid)
    signal, mask = _signal(templates, points_mm, lesions, scanner)
    shaded = np.maximum(signal, 0) ** scanner.gamma * _shading(grid.shape, rng)
    real = shaded + rng.normal(0, scanner.noise, grid.shape)
    imaginary = rng.normal(0, scanner.noise, grid.shape)
    received = np.rint(np.hypot(real, imaginary) * scanner.gain)
    pixels = np.clip(received, 0, 65535).astype(np.uint16)
    return Scan(Volume(pixels, grid), mask)


def _place_grid(scanner: DemoScanner, rng: np.random.Generator) -> VoxelGrid:
    tilt = rng.normal(0, scanner.tilt_degrees) if scanner.tilt_degrees else 0.0
    turn = Rotation.from_euler("x", tilt, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = (turn @ np.array(scanner.axes).T) * scanner.spacing_mm
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(scanner.shape) - 1) / 2)
    return VoxelGrid.from_affine(scanner.name, scanner.shape, affine)


def _signal(
    templates: Templates,
    points_mm: NDArray[np.float32],
    lesions: tuple[Lesion, ...],
    scanner: DemoScanner,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    index = _template_index(templates.affine, points_mm)
    healthy = (
        np.float32(scanner.grey) * templates.grey
        + np.float32(scanner.white) * templates.white
        + np.float32(scanner.fluid) * templates.fluid
        + np.float32(_TEXTURE) * templates.texture
    )
    signal = _read_map(healthy, index)
    mask = np.zeros(signal.shape, dtype=np.uint8)
    for lesion in lesions:
        profile = lesion_profile(lesion, points_mm)
        near = profile > 0
        white = np.minimum(1.5 * _read_map(templates.white, index[:, near]), 1)
        inside = profile[near] * white
        signal[near] += np.float32(lesion.contrast) * inside
        mask[near] |= inside > _IN_MASK
    return signal, mask


def _template_index(
    affine: NDArray[np.float64], points_mm: NDArray[np.float32]
) -> NDArray[np.float32]:
    inverse = np.linalg.inv(affine).astype(np.float32)
    index = np.tensordot(inverse[:3, :3], points_mm, axes=1)
    index += inverse[:3, 3][:, None, None, None]
    return np.asarray(index)


def _read_map(
    tissue: NDArray[np.float32], index: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Read a map linearly at fractional indices (3, …); 0 outside."""
    return np.asarray(map_coordinates(tissue, index, order=1, output=np.float32))


def _shading(shape: Shape, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a smooth coil sensitivity around 1, some 20 % from end to end."""
    ends = [np.linspace(-1, 1, n) for n in shape]
    x, y, z = np.meshgrid(*ends, indexing="ij", sparse=True)
    terms = (x, y, z, x * y, y * z, x * z, x * x, y * y, z * z)
    shading = np.zeros(shape)
    for weight, term in zip(rng.normal(0, 0.06, len(terms)), terms, strict=True):
        shading = shading + weight * term
    return np.exp(shading)
