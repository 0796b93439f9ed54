import struct

import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from tests.makers import Series, a_slice, compressed, save_dicom
from voxray.core.errors import UnreadableScanError
from voxray.scan_io import read_volume
from voxray.scan_io.dicom.quiet import panic_as_error


def run_of(n_bytes):
    """One run of an RLE segment (PS3.5 G.3.1): a byte, so many times."""
    return bytes([257 - n_bytes, 5])


def test_pixels_at_which_a_decoder_panics_are_a_scan_error(tmp_path, capfd):
    dataset = compressed(a_slice(Series(rows=8, columns=6), 0), RLELossless)
    segments = run_of(48), run_of(121)
    offsets = struct.pack("<16I", 2, 64, 66, *[0] * 13)
    dataset.PixelData = encapsulate([offsets + b"".join(segments)])
    path = save_dicom(dataset, tmp_path / "f")

    with pytest.raises(UnreadableScanError, match=r"cannot be decoded \(RLE Lossless"):
        read_volume(Series().source([path]))

    assert "panicked" in capfd.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_other_errors_pass(error):
    with pytest.raises(error), panic_as_error():
        raise error
