"""Look-up tables of DICOM: from stored values to others (PS3.3 C.11.1, C.11.2)."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

_WORD = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One table.

    Attributes:
        first: Value that the first entry is for; lower ones get it too.
        entries: (n,) one per value; higher values get the last.
        highest: The highest entry that the table could hold.
    """

    first: int
    entries: NDArray[np.float32]
    highest: float

    @classmethod
    def from_item(cls, item: Dataset, *, little_endian: bool, signed: bool) -> Self:
        """Take the table of one sequence item.

        Args:
            item: With LUTDescriptor and LUTData.
            little_endian: How the file that it is from is encoded.
            signed: Whether the values to look up may be negative.

        Raises:
            ValueError: If there are fewer entries than stated.
            AttributeError: If an element is missing.
        """
        n_stated, first, bits = (int(value) % _WORD for value in item.LUTDescriptor)
        n_entries = n_stated or _WORD
        entries = _entries(item.LUTData, n_entries, little_endian=little_endian)
        if len(entries) < n_entries:
            msg = f"a table of {len(entries)} entries that states {n_entries}"
            raise ValueError(msg)
        negative = signed and first >= _WORD >> 1
        highest = float((1 << min(bits, 16)) - 1)
        return cls(first - _WORD * negative, entries[:n_entries], highest)

    def look_up(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Give the entry for each value, which is rounded to a whole one."""
        wide = values if values.dtype.kind in "iu" else np.rint(values)
        places = np.clip(wide.astype(np.int64) - self.first, 0, len(self.entries) - 1)
        return self.entries[places]


def _entries(data: Any, n_entries: int, *, little_endian: bool) -> NDArray[np.float32]:  # noqa: ANN401 - pydicom gives numbers or bytes
    """Words, or bytes where there are just as many (PS3.3 C.11.1.1)."""
    if not isinstance(data, bytes):
        numbers = np.atleast_1d(np.asarray(data, dtype=np.int64)) % _WORD
        return numbers.astype(np.float32)
    if len(data) in {n_entries, n_entries + n_entries % 2}:
        return np.frombuffer(data, np.uint8).astype(np.float32)
    words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little_endian else ">u2")
    return words.astype(np.float32)
