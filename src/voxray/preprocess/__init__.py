"""From a scan to an array for the network, as a plan says, and back."""

from voxray.preprocess.cache import (
    CachedExam,
    read_index,
    write_exam,
    write_index,
)
from voxray.preprocess.learned import learn_fold_values, learn_references
from voxray.preprocess.plan import make_plan
from voxray.preprocess.regrid import to_source_grid
from voxray.preprocess.statistics import (
    ScanGeometry,
    ScanStatistics,
    read_statistics,
    scan_statistics,
    write_statistics,
)
from voxray.preprocess.transforms import (
    PreparedExam,
    build_transforms,
    label_map,
    prepare_exam,
    volumes_ml,
)

__all__ = [
    "CachedExam",
    "PreparedExam",
    "ScanGeometry",
    "ScanStatistics",
    "build_transforms",
    "label_map",
    "learn_fold_values",
    "learn_references",
    "make_plan",
    "prepare_exam",
    "read_index",
    "read_statistics",
    "scan_statistics",
    "to_source_grid",
    "volumes_ml",
    "write_exam",
    "write_index",
    "write_statistics",
]
