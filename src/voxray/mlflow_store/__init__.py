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
from voxray.mlflow_store.metrics import (  # noqa: E402
    log_epochs,
    log_metrics,
    log_values,
    metric_values,
    metrics_markdown,
)
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
from voxray.mlflow_store.run_files import (  # noqa: E402
    log_figures,
    log_files,
    log_table,
)
from voxray.mlflow_store.runs import (  # noqa: E402
    RunIds,
    RunStatus,
    describe_run,
    finish,
    log_dataset,
    log_params,
    resume_run,
    set_tags,
    start_fold,
    start_parent,
)
from voxray.mlflow_store.store import (  # noqa: E402
    Store,
    open_store,
    ui_address,
    ui_command,
)

__all__ = [
    "AUDIT_PASSED",
    "AUDIT_TAG",
    "CANDIDATE",
    "CHAMPION",
    "HOW_TO_NAME",
    "FoundRun",
    "GatePolicy",
    "ModelDescription",
    "ModelGate",
    "ModelRow",
    "ModelVersionRef",
    "Registration",
    "RunIds",
    "RunStatus",
    "Store",
    "describe_folder",
    "describe_model",
    "describe_run",
    "export_model",
    "fetch_files",
    "find_run",
    "finish",
    "is_registered",
    "list_models",
    "log_dataset",
    "log_epochs",
    "log_figures",
    "log_files",
    "log_metrics",
    "log_params",
    "log_table",
    "log_values",
    "metric_values",
    "metrics_markdown",
    "open_store",
    "promote",
    "read_policy",
    "register_model",
    "resolve_model",
    "resume_run",
    "rollback",
    "save_pyfunc",
    "set_tags",
    "start_fold",
    "start_parent",
    "ui_address",
    "ui_command",
    "verify_registered",
]
