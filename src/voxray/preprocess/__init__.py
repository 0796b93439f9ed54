"""From a scan to an array for the network, as a plan says, and back."""

from voxray.preprocess.cache import (
    CachedExam,
    read_index,
    write_exam,
    write_index,
)
from voxray.preprocess.learned import learn_fold_values, learn_references
from voxray.preprocess.plan import make_plan
from voxray.preprocess.statistics import (
    ScanGeometry,
    ScanStatistics,
    read_statistics,
    scan_statistics,
    write_statistics,
)
from voxray.preprocess.transforms import (
    PreparedScan,
    build_transforms,
    label_map,
    prepare_scan,
    to_source_grid,
    volumes_ml,
)

__all__ = [
    "CachedExam",
    "PreparedScan",
    "ScanGeometry",
    "ScanStatistics",
    "build_transforms",
    "label_map",
    "learn_fold_values",
    "learn_references",
    "make_plan",
    "prepare_scan",
    "read_index",
    "read_statistics",
    "scan_statistics",
    "to_source_grid",
    "volumes_ml",
    "write_exam",
    "write_index",
    "write_statistics",
]
