"""What the registered pyfunc takes and gives, and what it needs installed."""

from importlib import metadata

from mlflow.models import ModelSignature
from mlflow.types import (
    ColSpec,
    DataType,
    ParamSchema,
    ParamSpec,
    Schema,
    TensorSpec,
)

from voxray.core.specs import ModelPackage, Target

SOURCE = "source"
_SCORING_DISTRIBUTIONS = (
    "mlflow",
    "monai",
    "nibabel",
    "numpy",
    "openpyxl",
    "pandas",
    "pillow",
    "platformdirs",
    "pyarrow",
    "pydantic",
    "pydicom",
    "pylibjpeg",
    "pylibjpeg-libjpeg",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "safetensors",
    "scipy",
    "torch",
)


def scoring_requirements() -> list[str]:
    """Pinned pip requirements of what scoring imports, as installed here.

    A local version such as `2.13.0+cpu` is named without its suffix, so that a machine
    with a GPU gets the build for it.

    Example:
        >>> [r for r in scoring_requirements() if r.startswith("torch")][0].count("+")
        0
    """
    return [
        f"{name}=={metadata.version(name).split('+')[0]}"
        for name in _SCORING_DISTRIBUTIONS
    ]


def scores_signature(package: ModelPackage) -> ModelSignature:
    """One text column `source` in, the columns of `scores.csv` out.

    Parameters: `out` keeps the outputs, masks too, in that folder; `workers` is the
    number of processes; `readable_ids` names scans by their files.
    """
    parameters = [
        ParamSpec("out", DataType.string, ""),
        ParamSpec("workers", DataType.long, 1),
        ParamSpec("readable_ids", DataType.boolean, default=False),
    ]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(kind, name, required=False)
        for name, kind in score_columns(package).items()
    ]
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, SOURCE)]),
        outputs=Schema(outputs),
        params=ParamSchema(parameters),
    )


def score_columns(package: ModelPackage) -> dict[str, DataType]:
    """Columns of `scores.csv` in order, and their types."""
    text, number = DataType.string, DataType.double
    before = ("exam_id", "scan_id", "patient_id", "status", "reason_code", "reason")
    probabilities = [f"p_{name}" for name in package.plan.classes]
    labels = package.plan.classes if package.plan.target is Target.LABELS else ()
    thresholds = [f"threshold_{name}" for name in labels]
    volumes = [f"volume_ml_{name}" for name in package.plan.structures]
    return {
        **dict.fromkeys((*before, "decision"), text),
        "refer": DataType.boolean,
        **dict.fromkeys((*probabilities, "threshold", *thresholds), number),
        **dict.fromkeys(("uncertainty", "disagreement", "ood"), number),
        "mask": text,
        **dict.fromkeys(volumes, number),
        **dict.fromkeys(("model", "model_sha256"), text),
    }
