"""Small real parts: a store on disk, a model folder, metrics."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from voxray.core.records import Metric
from voxray.core.specs import (
    ChannelRules,
    FoldValues,
    IntakeRules,
    ModelPackage,
    NetworkPlan,
    Plan,
    ReferenceStatistics,
)
from voxray.mlflow_store import RunIds, Store
from voxray.mlflow_store.metrics import log_points, metric_values
from voxray.mlflow_store.runs import RunHead, find_or_start


def a_run(store: Store, experiment: str, metrics: Sequence[Metric] = ()) -> RunIds:
    """A run of its own, with evaluated figures."""
    head = RunHead(experiment, "all folds", 0, {})
    run = find_or_start(store, uuid4().hex, head, None)
    values = metric_values(metrics).items()
    log_points(store, run.run_id, [(name, value, 0, 0) for name, value in values])
    return run


def a_plan() -> Plan:
    return Plan(
        channels=("image",),
        modality=("MR",),
        spacing_mm=(1.0, 1.0, 1.0),
        input_shape=(8, 8, 8),
        whole_volume=True,
        normalisation={"image": "zscore"},
        classes=("benign", "malignant"),
        structures=("lesion",),
        mask_values=(1,),
        network=NetworkPlan(
            features=(8, 16),
            strides=((1, 1, 1), (2, 2, 2)),
            kernels=((3, 3, 3), (3, 3, 3)),
        ),
        batch_size=1,
        reasons={},
    )


def a_package(files: dict[str, str]) -> ModelPackage:
    return ModelPackage(
        name="lesions",
        voxray_version="0.1.0",
        experiment_sha256="0" * 64,
        rules=IntakeRules(channels={"image": ChannelRules()}),
        plan=a_plan(),
        fold_values=(FoldValues(n_exams=3),),
        networks=("fold_0.safetensors",),
        decision=None,
        references=ReferenceStatistics(
            modalities=("MR",),
            spacing_mm=((1.0, 1.0),) * 3,
            extent_mm=((8.0, 8.0),) * 3,
            n_scans=3,
        ),
        units={"volume_ml_lesion": "ml"},
        licence="CC0-1.0",
        intended_use="Tests only.",
        files=files,
    )


def a_model_folder(
    folder: Path, weights: bytes = b"weights", card: bool = True
) -> Path:
    folder.mkdir(parents=True)
    contents = {"fold_0.safetensors": weights}
    if card:
        contents["card.md"] = b"# lesions\n"
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    hashes = {n: hashlib.sha256(c).hexdigest() for n, c in contents.items()}
    text = a_package(hashes).model_dump_json(indent=2)
    (folder / "package.json").write_text(text + "\n", encoding="utf-8")
    return folder


def a_metric(
    metric: str = "auc",
    class_: str = "malignant",
    value: float | None = 0.9,
    low: float | None = 0.8,
    high: float | None = 0.95,
    subset: str = "all",
) -> Metric:
    return Metric(
        metric=metric,
        class_=class_,
        unit="patient",
        value=value,
        low=low,
        high=high,
        level=0.95,
        method="delong-logit" if value is not None else "not estimable: 3 positive",
        resamples=0,
        seed=1,
        n_exams=20,
        n_patients=20,
        n_positive=10,
        subset=subset,
    )
