"""From a scan to an array for the network, as a plan says, and back."""

from voxray.preprocess.budget import Machine
from voxray.preprocess.cache import (
    CachedExam,
    read_index,
    write_exam,
    write_index,
)
from voxray.preprocess.clean_up import (
    clean,
    counted_voxel_ml,
    find_pieces,
    kept_pieces,
    voxel_ml,
)
from voxray.preprocess.labels import label_map, labels_on_source, volumes_ml
from voxray.preprocess.learned import learn_fold_values, learn_references
from voxray.preprocess.machine import this_machine
from voxray.preprocess.plan import SeenValues, make_plan
from voxray.preprocess.plan_words import plan_in_words
from voxray.preprocess.regrid import slabs_on
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
    prepare_exam,
)
from voxray.preprocess.units import are_coloured, are_hounsfield

__all__ = [
    "CachedExam",
    "Machine",
    "PreparedExam",
    "ScanGeometry",
    "ScanStatistics",
    "SeenValues",
    "are_coloured",
    "are_hounsfield",
    "build_transforms",
    "clean",
    "counted_voxel_ml",
    "find_pieces",
    "kept_pieces",
    "label_map",
    "labels_on_source",
    "learn_fold_values",
    "learn_references",
    "make_plan",
    "plan_in_words",
    "prepare_exam",
    "read_index",
    "read_statistics",
    "scan_statistics",
    "slabs_on",
    "this_machine",
    "volumes_ml",
    "voxel_ml",
    "write_exam",
    "write_index",
    "write_statistics",
]
