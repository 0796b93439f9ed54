"""PNG and JPEG."""

import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.makers import truncate
from voxray.core.errors import TooLargeError, UnreadableScanError
from voxray.core.records import FileFormat, ScanId, ScanSource
from voxray.scan_io import encode_png, read_picture_facts, read_volume

PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10


def source(path):
    return ScanSource(ScanId("s"), FileFormat.PICTURE, (path,))


def read(path):
    """Values, row by row."""
    return read_volume(source(path)).voxels[:, :, 0].T


def saved(path, image, **options):
    image.save(path, **options)
    return path


def a_picture(tmp_path, pixels=PIXELS, name="a.png", mode=None, **options):
    image = Image.fromarray(pixels)
    return saved(tmp_path / name, image.convert(mode) if mode else image, **options)


def a_chunk(name, content):
    checksum = zlib.crc32(name + content)
    return (
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
    )


def test_columns_come_first_and_pixels_are_1_mm(tmp_path):
    volume = read_volume(source(a_picture(tmp_path)))

    assert volume.voxels.shape == volume.grid.shape == (6, 4, 1)
    assert volume.voxels.dtype == np.float32
    assert volume.voxels[5, 1, 0] == PIXELS[1, 5]
    assert volume.grid.affine.tolist() == np.diag([-1, -1, 1, 1]).tolist()


def test_sixteen_bits_are_kept(tmp_path):
    pixels = PIXELS.astype(np.uint16) * 256 + 7

    np.testing.assert_array_equal(read(a_picture(tmp_path, pixels)), pixels)


@pytest.mark.parametrize("mode", ["LA", "L"])
def test_transparency_of_grey_is_ignored(tmp_path, mode):
    np.testing.assert_array_equal(read(a_picture(tmp_path, mode=mode)), PIXELS)


def test_single_bits_become_0_and_255(tmp_path):
    path = a_picture(tmp_path, PIXELS > 100)

    np.testing.assert_array_equal(read(path), (PIXELS > 100) * 255)
    assert read_picture_facts(path).colours is None


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_become_luminance(tmp_path, mode):
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0], pixels[1, 1] = (255, 0, 0), (0, 0, 255)
    image = Image.fromarray(pixels).convert(mode)
    path = saved(tmp_path / "a.png", image)

    expected = np.asarray(image.convert("RGB")) @ [0.299, 0.587, 0.114]

    np.testing.assert_allclose(read(path), expected, rtol=1e-6)
    assert read_picture_facts(path).colours == mode


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_one_colour_is_read_where_it_is_asked_for(tmp_path, mode):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    path = a_picture(tmp_path, pixels, mode=mode)
    for n in range(3):
        asked = replace(source(path), colour=n)
        wanted = read(path) if mode == "L" else pixels[..., n]
        np.testing.assert_array_equal(read_volume(asked).voxels[:, :, 0].T, wanted)


def test_inks_become_luminance(tmp_path):
    inks = Image.new("CMYK", (8, 8), (0, 0, 0, 0))  # no ink is white
    path = saved(tmp_path / "a.jpg", inks, quality=100)

    assert np.unique(read(path)) == pytest.approx(255)
    assert read_picture_facts(path).colours == "CMYK"


def test_jpeg_of_grey_is_near_what_was_written(tmp_path):
    pixels = np.linspace(0, 255, 64 * 64).astype(np.uint8).reshape(64, 64)
    path = a_picture(tmp_path, pixels, "a.jpg", quality=100)

    assert np.abs(read(path) - pixels).max() <= 3


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda stored: stored),
        (2, np.fliplr),
        (3, lambda stored: np.rot90(stored, 2)),
        (6, lambda stored: np.rot90(stored, -1)),
        (8, np.rot90),
    ],
)
def test_picture_is_put_upright_as_exif_says(tmp_path, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = a_picture(tmp_path, exif=exif)

    np.testing.assert_array_equal(read(path), upright(PIXELS))
    assert read_picture_facts(path).is_turned is (orientation != 1)


def test_header_tells_size_and_colours(tmp_path):
    facts = read_picture_facts(a_picture(tmp_path))

    assert (facts.size, facts.colours, facts.is_turned) == ((6, 4), None, False)


def test_picture_that_unpacks_to_too_much_is_refused_by_its_header(tmp_path):
    head = struct.pack(">IIBBBBB", 1 << 16, 1 << 16, 8, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + a_chunk(b"IHDR", head)
    content += a_chunk(b"IDAT", zlib.compress(bytes(1000))) + a_chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(content)

    with pytest.raises(TooLargeError, match="declares more pixels than are decoded"):
        read_picture_facts(tmp_path / "a.png")
    with pytest.raises(TooLargeError, match="declares more pixels than are decoded"):
        read(tmp_path / "a.png")


def test_picture_of_more_pixels_than_its_bytes_can_hold_is_refused(tmp_path):
    path = a_picture(tmp_path, np.zeros((16, 16), np.uint8), "a.jpg")
    content = path.read_bytes()
    size = content.index(b"\xff\xc0") + 5
    path.write_bytes(content[:size] + b"\x2e\xe0" * 2 + content[size + 4 :])

    with pytest.raises(
        TooLargeError, match=r"declares 12000 x 12000 pixels in \d+ byt"
    ):
        read(path)


def test_the_densest_picture_is_read(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("1", (12000, 12000)), optimize=True)

    assert read_picture_facts(path).size == (12000, 12000)


def test_text_that_unpacks_to_too_much_is_refused(tmp_path):
    path = tmp_path / "a.png"
    content = encode_png(PIXELS)
    bomb = a_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 26)))
    path.write_bytes(content[:33] + bomb + content[33:])

    with pytest.raises(UnreadableScanError, match="truncated, damaged or missing"):
        read(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9])
def test_truncated_picture_is_refused(tmp_path, name, keep):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    path = truncate(a_picture(tmp_path, pixels, name), keep)

    with pytest.raises(UnreadableScanError, match="truncated, damaged or missing"):
        read(path)


def test_missing_picture_says_so(tmp_path):
    with pytest.raises(UnreadableScanError, match="missing: No such file"):
        read(tmp_path / "DOE^JANE.png")


def test_other_kinds_of_pictures_are_refused(tmp_path):
    path = a_picture(tmp_path, name="a.gif").rename(tmp_path / "a.png")

    with pytest.raises(UnreadableScanError, match="UnidentifiedImageError"):
        read(path)
