"""`lesions.parquet`: one row per drawn or predicted lesion."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from voxray.core.files import atomic_path
from voxray.core.records import ExamId, PatientId
from voxray.evaluate.lesions import Lesion
from voxray.evaluate.tables import read_columns

_COLUMNS: dict[str, pa.DataType] = {
    "repeat": pa.int32(),
    "fold": pa.int32(),
    "exam_id": pa.string(),
    "patient_id": pa.string(),
    "structure": pa.string(),
    "kind": pa.string(),
    "number": pa.int32(),
    "volume_ml": pa.float64(),
    "voxel_i": pa.int32(),
    "voxel_j": pa.int32(),
    "voxel_k": pa.int32(),
    "score": pa.float64(),
    "match": pa.int32(),
    "iou": pa.float64(),
}


def write_lesions(lesions: Sequence[Lesion], path: Path) -> None:
    """Write lesions in order of repeat, fold, exam, structure, kind and number."""
    rows = sorted(
        lesions,
        key=lambda r: (r.repeat, r.fold, r.exam_id, r.structure, r.kind, r.number),
    )
    columns = {
        name: pa.array([_cell(row, name) for row in rows], kind)
        for name, kind in _COLUMNS.items()
    }
    with atomic_path(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def _cell(row: Lesion, name: str) -> object:
    if name.startswith("voxel_"):
        return row.voxel_ijk["ijk".index(name[-1])]
    return getattr(row, name)


def read_lesions(path: Path) -> tuple[Lesion, ...]:
    """Read what `write_lesions` wrote.

    Raises:
        ManifestError: If the file is missing or broken, or a column is missing.
    """
    table = read_columns(path, _COLUMNS)
    return tuple(
        Lesion(
            row["repeat"],
            row["fold"],
            ExamId(row["exam_id"]),
            PatientId(row["patient_id"]),
            row["structure"],
            "drawn" if row["kind"] == "drawn" else "predicted",
            row["number"],
            row["volume_ml"],
            (row["voxel_i"], row["voxel_j"], row["voxel_k"]),
            row["score"],
            row["match"],
            row["iou"],
        )
        for row in table.to_pylist()
    )
