import gzip
import time
import tracemalloc
import zlib
from collections import deque
from io import BytesIO

import numpy as np
import pytest

from tests.makers import Series, write_series
from voxray.scan_io import read_volume
from voxray.scan_io.dicom.opened import (
    MAX_HEADER_BYTES,
    MAX_UNPACKED_BYTES,
    GuardedStream,
    OpenedFile,
    dicom_stream,
)

TEXT = bytes(range(256)) * 1000


def files():
    return [OpenedFile(BytesIO(TEXT)), OpenedFile(BytesIO(gzip.compress(TEXT)))]


@pytest.mark.parametrize("file", files(), ids=["plain", "packed"])
def test_start_grows_until_the_file_ends(file):
    assert len(file.start) < len(TEXT)
    assert file.grow(20_000)
    assert file.grow(len(TEXT))
    assert not file.grow(len(TEXT) + 1)
    assert file.start == TEXT


def test_start_does_not_grow_beyond_the_bound():
    assert not OpenedFile(BytesIO(TEXT)).grow(MAX_HEADER_BYTES + 1)


@pytest.mark.parametrize("file", files(), ids=["plain", "packed"])
def test_bytes_are_read_from_places_that_follow_another(file):
    edge = len(file.start)
    places = [10, edge - 4, edge + 4, edge + 50_000, len(TEXT) - 3]

    read = [file.read_at(place, 8) for place in places]

    assert read == [TEXT[place : place + 8] for place in places]


@pytest.mark.parametrize("file", files(), ids=["plain", "packed"])
def test_what_is_there_is_counted(file):
    assert file.held_until(100_000) == 100_000
    assert file.held_until(len(TEXT) + 5) == len(TEXT)


def test_damage_in_a_packed_file_ends_it():
    packed = bytearray(gzip.compress(TEXT * 20))
    packed[-200:] = b"\xff" * 200

    file = OpenedFile(BytesIO(bytes(packed)))

    assert 0 < file.held_until(len(TEXT) * 20) < len(TEXT) * 20


def test_bomb_is_unpacked_to_a_limit_in_little_memory():
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    bomb = b"".join(packer.compress(zeros) for _ in range(400)) + packer.flush()
    tracemalloc.start()

    held = OpenedFile(BytesIO(bomb)).held_until(1 << 40)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held == 1 << 40  # believed
    assert MAX_UNPACKED_BYTES < 400 << 20
    assert peak < 4 << 20


def test_name_without_end_in_a_gzip_header_takes_no_time():
    stream = BytesIO(b"\x1f\x8b\x08\x08" + b"\0" * 6 + b"x" * 10_000_000)
    began = time.perf_counter()

    assert OpenedFile(stream).start == b""
    assert time.perf_counter() - began < 1


def test_guarded_stream_gives_what_is_there_for_any_length():
    stream = OpenedFile(BytesIO(TEXT)).for_pydicom()

    assert stream.read(1 << 40) == TEXT
    assert stream.read(1) == b""


def test_guarded_stream_of_a_packed_file_starts_at_its_start():
    stream = OpenedFile(BytesIO(gzip.compress(TEXT))).for_pydicom()

    assert stream.read(10) == TEXT[:10]


def test_file_is_not_read_for_ever():
    stream = GuardedStream(BytesIO(TEXT))

    with pytest.raises(ValueError, match="too many elements for its size"):
        deque(iter(lambda: stream.read(0), None), maxlen=0)


def test_deflated_rest_is_given_if_it_unpacks_to_little():
    packer = zlib.compressobj(9, wbits=-15)
    content = packer.compress(TEXT) + packer.flush()

    assert GuardedStream(BytesIO(content)).read() == content


@pytest.mark.parametrize("content", [TEXT, gzip.compress(TEXT)])
def test_stream_for_pydicom_is_the_whole_file_unpacked(tmp_path, content):
    (tmp_path / "f").write_bytes(content)

    with dicom_stream(tmp_path / "f") as stream:
        assert stream.read(1 << 30) == TEXT


def test_packed_file_that_unpacks_to_too_much_is_refused(tmp_path):
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    bomb = b"".join(packer.compress(zeros) for _ in range(300)) + packer.flush()
    (tmp_path / "f").write_bytes(bomb)

    with pytest.raises(ValueError, match="unpacks to too much"):
        dicom_stream(tmp_path / "f").__enter__()


def test_series_packed_with_gzip_is_the_same_volume(tmp_path):
    files = write_series(tmp_path)
    plain = read_volume(Series().source(files)).voxels

    for path in files:
        path.write_bytes(gzip.compress(path.read_bytes()))

    assert np.array_equal(read_volume(Series().source(files)).voxels, plain)
