"""Prepared exams on disk: one array file per exam, memory-mapped when read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxray.core.errors import ManifestError
from voxray.core.files import atomic_path, read_json, write_json
from voxray.core.geometry import VoxelGrid
from voxray.core.records import ExamId
from voxray.preprocess.transforms import FloatArray, PreparedExam

INDEX_FILE = "cache.json"
ARRAY_FOLDER = "arrays"


@dataclass(frozen=True, slots=True, eq=False)
class CachedExam:
    """Where an exam's arrays are.

    Attributes:
        image: File of (channel, i, j, k) float32, or float16 of a large scan.
        mask: File of (i, j, k) uint8; None without a mask.
        grid: Where the voxels sit.
    """

    exam_id: ExamId
    image: Path
    mask: Path | None
    grid: VoxelGrid

    def read_image(self) -> FloatArray:
        """The image, memory-mapped: pages come when they are used."""
        array: FloatArray = np.load(self.image, mmap_mode="r")
        return array

    def read_mask(self) -> NDArray[np.uint8] | None:
        """The mask, memory-mapped; None without one."""
        if self.mask is None:
            return None
        array: NDArray[np.uint8] = np.load(self.mask, mmap_mode="r")
        return array


def write_exam(folder: Path, exam_id: ExamId, exam: PreparedExam) -> CachedExam:
    """Write the arrays of one exam; each file is whole or absent."""
    arrays = folder / ARRAY_FOLDER
    image = arrays / f"{exam_id}.npy"
    _save(image, exam.image)
    mask = None
    if exam.mask is not None:
        mask = arrays / f"{exam_id}.mask.npy"
        _save(mask, exam.mask)
    return CachedExam(exam_id, image, mask, exam.grid)


def _save(path: Path, array: NDArray[Any]) -> None:
    with atomic_path(path) as temporary:
        np.save(temporary, array)


def write_index(folder: Path, exams: Sequence[CachedExam]) -> None:
    """Write `cache.json`: which exams are there, and their grids."""
    rows = [
        {
            "exam_id": exam.exam_id,
            "mask": exam.mask is not None,
            "shape": list(exam.grid.shape),
            "affine": exam.grid.affine.tolist(),
        }
        for exam in sorted(exams, key=lambda exam: exam.exam_id)
    ]
    write_json(folder / INDEX_FILE, {"exams": rows})


def read_index(folder: Path) -> Mapping[ExamId, CachedExam]:
    """Read `cache.json`.

    Raises:
        ManifestError: If the index, or an array it names, is missing.
    """
    exams = [_exam(folder, row) for row in read_json(folder / INDEX_FILE)["exams"]]
    for exam in exams:
        files = [file for file in (exam.image, exam.mask) if file is not None]
        if not all(file.is_file() for file in files):
            msg = f"the cached array of exam {exam.exam_id!r} is gone; preprocess again"
            raise ManifestError(msg)
    return {exam.exam_id: exam for exam in exams}


def _exam(folder: Path, row: Mapping[str, Any]) -> CachedExam:
    exam_id = ExamId(row["exam_id"])
    i, j, k = row["shape"]
    arrays = folder / ARRAY_FOLDER
    return CachedExam(
        exam_id,
        arrays / f"{exam_id}.npy",
        arrays / f"{exam_id}.mask.npy" if row["mask"] else None,
        VoxelGrid.from_affine(exam_id, (i, j, k), np.array(row["affine"])),
    )
