"""Read with pydicom without its warnings, and know every way it fails."""

import contextlib
import logging
import struct
import warnings
import zlib
from collections.abc import Iterator

from pydicom import config
from pydicom.errors import BytesLengthException, InvalidDicomError

# pydicom logs header values that break a rule, and such a value may name a patient.
logging.getLogger("pydicom").propagate = False

READ_ERRORS = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom and its decoders raise on broken files (found by trying)."""


@contextlib.contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Silence warnings about odd values: real headers are full of them."""
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def panic_as_error() -> Iterator[None]:
    """Catch the panic of a decoder in Rust, which passes `except Exception`.

    Raises:
        RuntimeError: Instead of the panic.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # it can be imported nowhere
            raise
        msg = "the decoder panicked"
        raise RuntimeError(msg) from error


def kind_of(error: Exception) -> str:
    """What went wrong, without the library's text: that may quote header values."""
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or type(error).__name__
