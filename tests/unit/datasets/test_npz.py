"""Reading npz files row by row, and refusing what they must not hold."""

import io
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

from tests.makers import truncate
from tests.unit.datasets.makers import write_npz
from voxray.core.errors import ConfigError
from voxray.datasets.npz import array_heads, rows


def npz_of(path, content, name="a"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.npy", content)
    return path


def npy_bytes(array, version=(1, 0)):
    stream = io.BytesIO()
    npy.write_array(stream, array, version)
    return stream.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_are_those_of_numpy(tmp_path, save):
    array = np.arange(24, dtype=np.int32).reshape(4, 3, 2)
    save(tmp_path / "a.npz", a=array)
    assert np.array_equal(list(rows(tmp_path / "a.npz", "a")), array)


def test_heads_say_shape_and_type_of_each_array(tmp_path):
    file = write_npz(
        tmp_path / "a.npz", {"x": np.zeros((3, 2)), "y": np.zeros(3, "u1")}
    )
    heads = array_heads(file)
    assert heads["x"].shape == (3, 2)
    assert heads["y"].dtype == np.dtype(np.uint8)


def test_a_newer_header_version_is_read(tmp_path):
    file = npz_of(tmp_path / "a.npz", npy_bytes(np.arange(3), (2, 0)))
    assert [int(row) for row in rows(file, "a")] == [0, 1, 2]


class Trap:
    """Says so if it is ever unpickled."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def test_pickled_objects_are_refused_unread(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([Trap()], dtype=object))
    with pytest.raises(ConfigError, match="no plain numbers"):
        array_heads(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.asfortranarray(np.ones((3, 2))), "no plain numbers"),
        (np.array(["a", "b"]), "no plain numbers"),
        (np.zeros((0, 4)), r"shape \(0, 4\)"),
        (np.array(3), r"shape \(\)"),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, problem):
    file = write_npz(tmp_path / "a.npz", {"a": array})
    with pytest.raises(ConfigError, match=problem):
        array_heads(file)


def test_an_array_that_claims_more_than_is_stored_is_refused(tmp_path):
    content = npy_bytes(np.zeros((3, 4))).replace(b"(3, 4)", b"(9, 9)")
    with pytest.raises(ConfigError, match=r"shape \(9, 9\) has 96 bytes"):
        array_heads(npz_of(tmp_path / "a.npz", content))


def test_an_unknown_header_version_is_refused(tmp_path):
    content = npy_bytes(np.zeros(3), (3, 0))
    with pytest.raises(ConfigError, match=r"npy version \(3, 0\)"):
        array_heads(npz_of(tmp_path / "a.npz", content))


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\3\4"])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ConfigError, match=r"'a\.npz' is no readable npz file"):
        array_heads(tmp_path / "a.npz")


def test_a_truncated_file_is_refused(tmp_path):
    file = truncate(write_npz(tmp_path / "a.npz"), 0.7)
    with pytest.raises(ConfigError, match="no readable npz"):
        array_heads(file)


def test_values_that_fail_their_checksum_are_refused(tmp_path):
    array = np.arange(100, dtype=np.uint8)
    np.savez(tmp_path / "a.npz", a=array)
    content = (tmp_path / "a.npz").read_bytes()
    damaged = content.replace(array.tobytes(), array[::-1].tobytes())
    (tmp_path / "a.npz").write_bytes(damaged)
    with pytest.raises(ConfigError, match="CRC"):
        list(rows(tmp_path / "a.npz", "a"))


def test_an_array_whose_zip_entry_lies_about_its_length_is_refused(tmp_path):
    whole = npy_bytes(np.zeros(10, np.uint8))
    content = npz_of(tmp_path / "a.npz", whole[:-4]).read_bytes()
    place = content.rindex(b"PK\1\2") + 24  # uncompressed size, APPNOTE.TXT 4.3.12
    lie = len(whole).to_bytes(4, "little")
    (tmp_path / "a.npz").write_bytes(content[:place] + lie + content[place + 4 :])
    with pytest.raises(ConfigError, match="it ends too early"):
        list(rows(tmp_path / "a.npz", "a"))
