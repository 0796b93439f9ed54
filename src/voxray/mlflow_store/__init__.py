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
from voxray.mlflow_store.evaluations import note_evaluation  # noqa: E402
from voxray.mlflow_store.found_runs import (  # noqa: E402
    FoundRun,
    fetch_files,
    find_run,
    tags_of_runs,
)
from voxray.mlflow_store.gate import (  # noqa: E402
    AUDIT_PASSED,
    AUDIT_TAG,
    CHAMPION,
    GateRecord,
    Look,
    crown,
    earlier_champions,
    find_champion,
    looks_at,
    note_look,
    record_decision,
    rollback,
    version_problems,
)
from voxray.mlflow_store.metrics import metric_values  # noqa: E402
from voxray.mlflow_store.page import SHEET, parent_page  # noqa: E402
from voxray.mlflow_store.refs import (  # noqa: E402
    HOW_TO_NAME,
    ModelVersionRef,
    export_model,
    fetched,
    find_version,
    is_registered,
    resolve_model,
)
from voxray.mlflow_store.registry import (  # noqa: E402
    CANDIDATE,
    READ_BACK_TAG,
    Registration,
    register_model,
    save_pyfunc,
    verify_registered,
)
from voxray.mlflow_store.runs import RunIds, RunStatus, as_text, flatten  # noqa: E402
from voxray.mlflow_store.sending import meant_store  # noqa: E402
from voxray.mlflow_store.store import (  # noqa: E402
    Store,
    open_store,
    store_name,
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
    "READ_BACK_TAG",
    "SHEET",
    "DataUsed",
    "FoundRun",
    "GateRecord",
    "Look",
    "ModelDescription",
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
    "as_text",
    "crown",
    "describe_folder",
    "describe_model",
    "earlier_champions",
    "export_model",
    "fetch_files",
    "fetched",
    "find_champion",
    "find_run",
    "find_version",
    "flatten",
    "is_registered",
    "list_models",
    "looks_at",
    "meant_store",
    "metric_values",
    "note_evaluation",
    "note_look",
    "open_store",
    "open_tracker",
    "parent_page",
    "record_decision",
    "register_model",
    "resolve_model",
    "rollback",
    "save_pyfunc",
    "store_name",
    "tags_of_runs",
    "ui_address",
    "ui_command",
    "verify_registered",
    "version_problems",
]
