"""The window through which a radiograph is shown."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from voxray.scan_io.dicom.header import DicomHeader

_STEEPEST = 500.0  # beyond this the curve is 0 or 1 in double precision

Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Window:
    """A window for presentation (PS3.3 C.11.2.1.2, C.11.2.1.3).

    A linear one cuts values off at its ends; what lies between keeps its value.

    Attributes:
        low: Lower end, in the unit of the modality.
        high: Upper end.
        is_sigmoid: Whether it is an S-curve around the centre, of values 0 to 1.
    """

    low: float
    high: float
    is_sigmoid: bool = False

    @classmethod
    def of(cls, header: DicomHeader) -> Self | None:
        """Take the window of a radiograph; None without one."""
        if header.window is None:
            return None
        centre, width = header.window
        low = centre - width / 2
        match (header.window_function or "LINEAR").upper():
            case "SIGMOID":
                return cls(low, low + width, is_sigmoid=True)
            case "LINEAR_EXACT":
                return cls(low, low + width)
            case _:
                return cls(low, low + width - 1)

    @property
    def ends_sum(self) -> float:
        """Lowest and highest value that it gives, together."""
        return 1.0 if self.is_sigmoid else self.low + self.high

    def apply(self, grey: Grey) -> Grey:
        """Show grey values through the window."""
        if not self.is_sigmoid:
            return np.clip(grey, np.float32(self.low), np.float32(self.high))
        centre, width = (self.low + self.high) / 2, self.high - self.low
        exponents = -4 * (grey.astype(np.float64) - centre) / width
        curve = 1 / (1 + np.exp(np.clip(exponents, -_STEEPEST, _STEEPEST)))
        return np.asarray(curve, dtype=np.float32)
