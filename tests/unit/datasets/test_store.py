"""Files that are written whole, and sources that cannot be read."""

import errno
import io
import os

import pytest

from voxray.core.errors import ConfigError, MachineError
from voxray.datasets.store import put, put_stream, readable


@pytest.mark.parametrize("there", [None, b"abd", b"abcd"])
def test_a_file_is_written_unless_the_same_is_there(tmp_path, there):
    target = tmp_path / "new" / "a"
    if there is not None:
        put(target, there)
    assert put(target, b"abc")
    assert not put(target, b"abc")
    assert target.read_bytes() == b"abc"


def test_a_stream_is_written_unless_the_same_is_there(tmp_path):
    content = bytes(3_000_000)
    target = tmp_path / "a"
    assert put_stream(target, len(content), lambda: io.BytesIO(content))
    assert not put_stream(target, len(content), lambda: io.BytesIO(content))
    other = content[:-1] + b"x"
    assert put_stream(target, len(other), lambda: io.BytesIO(other))
    assert target.read_bytes() == other


def fail(code):
    raise OSError(code, os.strerror(code))


def test_a_source_that_may_not_be_read_is_no_fault_of_the_file(tmp_path):
    with (
        pytest.raises(MachineError, match="cannot read 'a': Permission denied"),
        readable(tmp_path / "a", "folder"),
    ):
        fail(errno.EACCES)


@pytest.mark.parametrize("error", [OSError(errno.EINVAL, "odd"), EOFError("odd")])
def test_a_damaged_source_is_named(tmp_path, error):
    with (
        pytest.raises(ConfigError, match=r"'a' is no readable tar archive: .*odd"),
        readable(tmp_path / "a", "tar archive", (EOFError,)),
    ):
        raise error
