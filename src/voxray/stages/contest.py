"""A version that asks to become champion, and the rules on its figures."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxray import mlflow_store
from voxray.core.errors import VoxrayError
from voxray.core.files import read_json
from voxray.core.gate import (
    Check,
    calibration_checks,
    figure_checks,
    subgroup_checks,
)
from voxray.core.records import Metric
from voxray.core.specs.gate import ModelGate
from voxray.evaluate import metrics_from_json
from voxray.mlflow_store import ModelVersionRef, Store
from voxray.stages.evidence_files import EVALUATION_FILE, TABLES
from voxray.stages.run import Session
from voxray.stages.truth import LabelledScans


@dataclass(frozen=True, slots=True, eq=False)
class Contest:
    """What is decided.

    Attributes:
        version: Asks to become champion.
        champion: The one now; None without one.
        gate: What the policy asks of this model.
        given: The locked set; None without one.
    """

    store: Store
    version: ModelVersionRef
    champion: ModelVersionRef | None
    gate: ModelGate
    given: LabelledScans | None
    session: Session


def evidence_checks(
    contest: Contest, metrics: Sequence[Metric], values: Mapping[str, float]
) -> Iterator[Check]:
    """Floors, calibration, subgroups.

    Args:
        contest: What is decided.
        metrics: Of the version.
        values: The same by name, as in MLflow.
    """
    gate = contest.gate
    if not gate.minimum_low and not gate.maximum_high:
        yield _no_floor(contest, values)
    yield from figure_checks(gate, values)
    yield from calibration_checks(gate.calibration, metrics)
    yield from subgroup_checks(gate.subgroups, metrics)


def _no_floor(contest: Contest, values: Mapping[str, float]) -> Check:
    """Without a champion to compare with floors are all there is."""
    if contest.champion is not None:
        return Check("minimum_low", "nothing", "the policy sets no floor", passed=None)
    known = sorted(name for name in values if f"{name}_low" in values)
    found = (
        "the gate policy states no figure for this model; set "
        f"models.{contest.version.name}.minimum_low for the metrics that matter, of: "
        f"{', '.join(known) or 'none'}"
    )
    return Check("minimum_low", "a floor, as there is no champion", found, passed=False)


def run_figures(contest: Contest) -> tuple[tuple[Metric, ...], dict[str, float]]:
    """Out-of-fold figures of the run that made the version, as rows and by name."""
    described = mlflow_store.describe_model(contest.store, str(contest.version))
    rows: tuple[Metric, ...] = ()
    if described.run_id is not None:
        with tempfile.TemporaryDirectory() as temporary:
            rows = _rows(contest.store, described.run_id, Path(temporary))
    return rows, dict(described.metrics)


def _rows(store: Store, run_id: str, to: Path) -> tuple[Metric, ...]:
    """Nothing of a run without the file; rules on it then find no figure."""
    try:
        folder = mlflow_store.fetch_files(store, run_id, TABLES, [EVALUATION_FILE], to)
        return metrics_from_json(read_json(folder / EVALUATION_FILE)["metrics"])
    except VoxrayError:
        return ()
