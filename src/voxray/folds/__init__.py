"""Patients into folds, and the auditor that shows no patient or image crosses one."""

from voxray.folds.assign import assign_folds
from voxray.folds.audit import Audit, AuditCheck, audit, audit_to_json
from voxray.folds.groups import group_patients
from voxray.folds.holdout import choose_calibration, choose_holdout
from voxray.folds.left_out import values_of_folds
from voxray.folds.sizes import small_parts
from voxray.folds.table import (
    FoldPatients,
    read_folds,
    training_patients,
    write_folds,
)

__all__ = [
    "Audit",
    "AuditCheck",
    "FoldPatients",
    "assign_folds",
    "audit",
    "audit_to_json",
    "choose_calibration",
    "choose_holdout",
    "group_patients",
    "read_folds",
    "small_parts",
    "training_patients",
    "values_of_folds",
    "write_folds",
]
