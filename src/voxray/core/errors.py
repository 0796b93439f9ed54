"""Every error this package raises on purpose, with the exit code the command ends in.

VoxrayError                      1
├── ConfigError                  2   the command line or the YAML file is wrong
├── DatasetError                 3   a rule of the data set is broken; the stage stops
│   ├── ManifestError
│   └── LeakageError
├── ScanError                    4   one scan is unusable; recorded, the stage goes on
│   ├── UnreadableScanError
│   │   └── TooLargeError
│   └── GeometryError
├── GateError                    5   the promotion policy said no
└── MachineError                75   disk, lock, permission or server; run again
"""

from collections.abc import Sequence
from typing import ClassVar


class VoxrayError(Exception):
    """Base class, so that a command can catch all of ours and nothing else."""

    exit_code: ClassVar[int] = 1


class ConfigError(VoxrayError):
    """The command line or the experiment file asks for something impossible."""

    exit_code = 2


class DatasetError(VoxrayError):
    """The data set as a whole breaks a rule; no stage may continue."""

    exit_code = 3


class ManifestError(DatasetError):
    """The manifest breaks its schema or no longer matches its files."""


class LeakageError(DatasetError):
    """One patient or one image reached both sides of a split."""


class ScanError(VoxrayError):
    """One scan is unusable. Carries the scan id so that a table can list it."""

    exit_code = 4

    def __init__(self, scan_id: str, problem: str) -> None:
        super().__init__(f"scan {scan_id!r}: {problem}")
        self.scan_id = scan_id
        self.problem = problem

    def __reduce__(self) -> tuple[type["ScanError"], tuple[str, str]]:
        """Keep both arguments when the error crosses a process boundary."""
        return type(self), (self.scan_id, self.problem)


class UnreadableScanError(ScanError):
    """The file is missing, truncated or not an image."""


class TooLargeError(UnreadableScanError):
    """The header declares more voxels than the bound for one scan; none was read."""


class GeometryError(ScanError):
    """The voxel grid cannot be placed in patient space."""


class GateError(VoxrayError):
    """The gate policy does not allow the promotion."""

    exit_code = 5


def joined(problems: Sequence[VoxrayError]) -> VoxrayError:
    """One error that says all of several; `MachineError` if running again mends all.

    Args:
        problems: At least one.
    """
    lasting = [p for p in problems if not isinstance(p, MachineError)]
    wrong = [p for p in lasting if isinstance(p, ConfigError)]
    kind = type([*wrong, *lasting, *problems][0])
    return kind("\n".join(map(str, problems)))


class MachineError(VoxrayError):
    """The machine or a server refused. Nothing is lost; run the command again."""

    exit_code = 75
