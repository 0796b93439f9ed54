"""What values mean, where nothing states it: Hounsfield units, colours."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from voxray.core.errors import ScanError
from voxray.core.records import ScanSource, Volume
from voxray.scan_io import read_volume

_SAMPLES = 200_000
_LOOKED_AT = 12
_MOST = 0.75
_COLOURED = 0.04
"""Mean distance between the lowest and the highest colour of a pixel, as a share of the
range: a scale bar or a thin Doppler signal on grey stays below."""
_AIR_HU = (-3100.0, -300.0)
"""Where the lowest half percent of a CT ends: lung or air; some fill with -3024."""
_DENSE_HU = (-300.0, 3100.0)
"""Where the highest half percent begins: fat to metal."""


def are_hounsfield(scans: Sequence[ScanSource]) -> bool:
    """Whether most of at most 12 scans, taken evenly, look like CT by themselves.

    It is asked of each scan alone, as its modality is: nothing is learned over scans.
    A crop without air may fail, so that three of four do.
    """
    return _most(scans, lambda scan: looks_hounsfield(read_volume(scan)))


def are_coloured(scans: Sequence[ScanSource]) -> bool:
    """Whether most of at most 12 pictures, taken evenly, hold more than shades of grey.

    Ultrasound is often stored in colours that are all alike.
    """
    return _most(scans, _is_coloured)


def _is_coloured(scan: ScanSource) -> bool:
    colours = [read_volume(replace(scan, colour=n)).voxels for n in range(3)]
    span = max(float(np.ptp(colour)) for colour in colours)
    apart = np.mean(np.ptp(np.stack(colours), axis=0))
    return bool(apart > _COLOURED * span)


def _most(scans: Sequence[ScanSource], ask: Callable[[ScanSource], bool]) -> bool:
    n_looked_at = min(_LOOKED_AT, len(scans))
    places = np.linspace(0, len(scans) - 1, n_looked_at).round().astype(int).tolist()
    answers = [said for n in places if (said := _answer(scans[n], ask)) is not None]
    return bool(answers) and sum(answers) >= _MOST * len(answers)


def _answer(scan: ScanSource, ask: Callable[[ScanSource], bool]) -> bool | None:
    """None of a scan that cannot be read: preparing it says so, and goes on."""
    try:
        return ask(scan)
    except ScanError:
        return None


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
