"""Whether values of a scan without modality are Hounsfield units."""

from collections.abc import Sequence

import numpy as np

from voxray.core.records import ScanSource, Volume
from voxray.scan_io import read_volume

_SAMPLES = 200_000
_LOOKED_AT = 12
_MOST = 0.75
_AIR_HU = (-3100.0, -300.0)
"""Where the lowest half percent of a CT ends: lung or air; some fill with -3024."""
_DENSE_HU = (-300.0, 3100.0)
"""Where the highest half percent begins: fat to metal."""


def are_hounsfield(scans: Sequence[ScanSource]) -> bool:
    """Whether most of at most 12 scans, taken evenly, look like CT by themselves.

    It is asked of each scan alone, as its modality is: nothing is learned over scans.
    A crop without air may fail, so that three of four do.
    """
    step = max(1, len(scans) // _LOOKED_AT)
    looked_at = scans[::step][:_LOOKED_AT]
    alike = sum(looks_hounsfield(read_volume(scan)) for scan in looked_at)
    return bool(looked_at) and alike >= _MOST * len(looked_at)


def looks_hounsfield(volume: Volume) -> bool:
    """Whether a scan reaches from lung or air to soft tissue, bone or metal, in HU.

    MR has no negative values, but for maps scaled to fewer than -300 or more than
    -3100; a CT cut out of soft tissue alone is not recognised.
    """
    flat = volume.voxels.ravel(order="K")
    few = flat[:: flat.size // _SAMPLES | 1].astype(np.float64)
    low, high = np.percentile(few, (0.5, 99.5))
    return bool(
        _AIR_HU[0] <= low <= _AIR_HU[1] and _DENSE_HU[0] <= high <= _DENSE_HU[1]
    )
