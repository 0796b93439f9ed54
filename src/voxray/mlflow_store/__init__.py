"""Runs and models in MLflow: record, register, gate, fetch. The only door to MLflow."""

from voxray.mlflow_store.environment import settle_environment

settle_environment()  # before the first import of mlflow

from voxray.mlflow_store.catalogue import (  # noqa: E402
    ModelDescription,
    ModelRow,
    describe_folder,
    describe_model,
    list_models,
)
from voxray.mlflow_store.found_runs import (  # noqa: E402
    FoundRun,
    fetch_files,
    find_run,
)
from voxray.mlflow_store.gate import (  # noqa: E402
    AUDIT_PASSED,
    AUDIT_TAG,
    CHAMPION,
    GatePolicy,
    ModelGate,
    promote,
    read_policy,
    rollback,
)
from voxray.mlflow_store.page import SHEET, parent_page  # noqa: E402
from voxray.mlflow_store.refs import (  # noqa: E402
    HOW_TO_NAME,
    ModelVersionRef,
    export_model,
    is_registered,
    resolve_model,
)
from voxray.mlflow_store.registry import (  # noqa: E402
    CANDIDATE,
    Registration,
    register_model,
    save_pyfunc,
    verify_registered,
)
from voxray.mlflow_store.runs import RunIds, RunStatus, flatten  # noqa: E402
from voxray.mlflow_store.store import (  # noqa: E402
    Store,
    open_store,
    ui_address,
    ui_command,
)
from voxray.mlflow_store.tracked_run import (  # noqa: E402
    DataUsed,
    NewRun,
    TrackedRun,
)
from voxray.mlflow_store.tracker import (  # noqa: E402
    Tracker,
    TrackingPlace,
    open_tracker,
)

__all__ = [
    "AUDIT_PASSED",
    "AUDIT_TAG",
    "CANDIDATE",
    "CHAMPION",
    "HOW_TO_NAME",
    "SHEET",
    "DataUsed",
    "FoundRun",
    "GatePolicy",
    "ModelDescription",
    "ModelGate",
    "ModelRow",
    "ModelVersionRef",
    "NewRun",
    "Registration",
    "RunIds",
    "RunStatus",
    "Store",
    "TrackedRun",
    "Tracker",
    "TrackingPlace",
    "describe_folder",
    "describe_model",
    "export_model",
    "fetch_files",
    "find_run",
    "flatten",
    "is_registered",
    "list_models",
    "open_store",
    "open_tracker",
    "parent_page",
    "promote",
    "read_policy",
    "register_model",
    "resolve_model",
    "rollback",
    "save_pyfunc",
    "ui_address",
    "ui_command",
    "verify_registered",
]
