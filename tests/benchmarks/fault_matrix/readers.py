"""Read folders with one reader, in a process of its own that may die.

    python -m tests.benchmarks.fault_matrix.readers NAME FOLDER_OF_CASES OUT

Writes OUT/<case>.npz with the volumes, and OUT/<case>.json with what was said; the file
OUT/current names the case that is being read.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pair = tuple[NDArray[Any], NDArray[np.float64]]
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass
class Reading:
    """What a reader gave for one folder.

    Attributes:
        volumes: (voxels (i, j, k), affine to RAS+ mm).
        said: Warnings, findings, lines on the screen.
        error: Why it gave nothing; "" when it did.
    """

    volumes: list[Pair] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    error: str = ""


def _only_nifti(folder: Path) -> Path | None:
    return next(iter(folder.glob("*.nii*")), None)


def read_voxray(folder: Path, policy: dict[str, str]) -> Reading:
    from voxray.core.ids import Pseudonymizer
    from voxray.core.specs import ChannelRules, IntakeRules
    from voxray.ingest import IntakeOptions, ingest_folder
    from voxray.scan_io import read_volume

    channels = {"image": ChannelRules()}
    rules = IntakeRules.model_validate({"channels": channels, "policy": policy})
    options = IntakeOptions(folder, rules, patient_required=False)
    intake = ingest_folder(options, Pseudonymizer(b"k" * 32))
    assert len(intake.files) >= sum(p.is_file() for p in folder.rglob("*"))
    reading = Reading()
    for record in intake.records:
        volume = read_volume(intake.sources[record.scan_id])
        reading.volumes.append((volume.voxels, volume.grid.affine))
        reading.said += [f"{record.state}: {f.code}" for f in record.findings]
    reading.said += [f"refused: {row.code}" for row in intake.quarantine]
    return reading


def _monai(folder: Path, reader: Any) -> Reading:
    from monai.transforms import LoadImage  # type: ignore[attr-defined]

    path = _only_nifti(folder)
    if path is not None:
        reader = "NibabelReader"
    image = LoadImage(reader=reader, image_only=True)(str(path or folder))
    return Reading(_split_monai(np.asarray(image), np.asarray(image.affine)))


def _split_monai(voxels: NDArray[Any], affine: NDArray[np.float64]) -> list[Pair]:
    """A fourth axis of volumes counts as so many; one of colours as their mean."""
    while voxels.ndim < 3:
        voxels = voxels[..., None]
    if affine.shape == (3, 3):
        whole = np.eye(4)
        whole[:2, :2], whole[:2, 3] = affine[:2, :2], affine[:2, 2]
        affine = whole
    if voxels.ndim == 3:
        return [(voxels, affine)]
    if voxels.shape[2] == 3:  # PydicomReader puts colours before slices
        voxels = np.moveaxis(voxels, 2, -1)
    moved = [voxels[..., n] for n in range(voxels.shape[-1])]
    return [(v, affine) for v in _one_if_equal(moved)]


def _one_if_equal(colours: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Red, green and blue that agree are one grey volume."""
    same = len(colours) in {3, 4} and all(
        np.array_equal(colours[0], c) for c in colours[1:3]
    )
    return colours[:1] if same else colours


def read_monai_pydicom(folder: Path, _: dict[str, str]) -> Reading:
    from monai.data import PydicomReader  # type: ignore[attr-defined]

    return _monai(folder, PydicomReader())


def read_monai_itk(folder: Path, _: dict[str, str]) -> Reading:
    from monai.data import ITKReader  # type: ignore[attr-defined]

    return _monai(folder, ITKReader())


def read_simpleitk(folder: Path, _: dict[str, str]) -> Reading:
    """Every series that GDCM lists, by the series reader."""
    import SimpleITK as sitk  # noqa: N813

    path = _only_nifti(folder)
    if path is not None:
        return Reading(_of_sitk(sitk.ReadImage(str(path))))
    volumes = []
    names = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if not names:
        return Reading(error="no series found")
    for name in names:
        reader = sitk.ImageSeriesReader()
        files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), name)
        reader.SetFileNames(files)
        volumes += _of_sitk(reader.Execute())
    return Reading(volumes)


def _of_sitk(image: Any) -> list[Pair]:
    import SimpleITK as sitk  # noqa: N813

    n = min(image.GetDimension(), 3)
    direction = np.reshape(image.GetDirection(), (image.GetDimension(),) * 2)[:n, :n]
    affine = np.eye(4)
    affine[:n, :n] = direction @ np.diag(image.GetSpacing()[:n])
    affine[:n, 3] = image.GetOrigin()[:n]
    voxels = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        colours = [voxels[..., c] for c in range(voxels.shape[-1])]
        return [(v.T, LPS_TO_RAS @ affine) for v in _one_if_equal(colours)]
    if voxels.ndim == 4:
        return [(v.T, LPS_TO_RAS @ affine) for v in voxels]
    return [(np.atleast_3d(voxels.T), LPS_TO_RAS @ affine)]


_DCM2NIIX_NOISE = ("Chris Rorden", "Found ", "Convert ", "Conversion required", "Note:")


def read_dcm2niix(folder: Path, _: dict[str, str]) -> Reading:
    """All NIfTI files it writes, and its warnings and errors."""
    import nibabel as nib

    if _only_nifti(folder) is not None:
        return Reading(error="not applicable")
    with tempfile.TemporaryDirectory() as out:
        command = [
            "dcm2niix",
            "-b",
            "n",
            "-z",
            "n",
            "-f",
            "v%s",
            "-o",
            out,
            str(folder),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = (ran.stdout + ran.stderr).splitlines()
        said = [x for x in lines if x.strip() and not x.startswith(_DCM2NIIX_NOISE)]
        if ran.returncode < 0:
            msg = f"dcm2niix died of signal {-ran.returncode}"
            raise SystemExit(msg)
        volumes = []
        for path in sorted(Path(out).glob("*.nii")):
            image: Any = nib.load(path)
            volumes += _split_nifti(np.asarray(image.dataobj), image.affine)
    return Reading(volumes, said, "" if volumes else "nothing written")


def _split_nifti(voxels: NDArray[Any], affine: NDArray[np.float64]) -> list[Pair]:
    if voxels.dtype.names:  # RGB
        voxels = voxels[voxels.dtype.names[0]]
    voxels = np.atleast_3d(voxels)
    if voxels.ndim == 3:
        return [(voxels, affine)]
    flat = voxels.reshape(*voxels.shape[:3], -1)
    return [(flat[..., n], affine) for n in range(flat.shape[-1])]


READERS: dict[str, Callable[[Path, dict[str, str]], Reading]] = {
    "voxray": read_voxray,
    "MONAI PydicomReader": read_monai_pydicom,
    "MONAI ITKReader": read_monai_itk,
    "SimpleITK": read_simpleitk,
    "dcm2niix": read_dcm2niix,
}


def versions() -> dict[str, str]:
    """What was run, by column; a reader that is absent is not there."""
    import importlib.metadata as meta

    ran = subprocess.run(
        ["dcm2niix", "-v"], capture_output=True, text=True, check=False
    )
    found = {
        "voxray": meta.version("voxray"),
        "MONAI PydicomReader": f"{meta.version('monai')}, pydicom "
        f"{meta.version('pydicom')}",
        "SimpleITK": meta.version("SimpleITK"),
        "dcm2niix": ran.stdout.split()[-1],
    }
    with contextlib.suppress(meta.PackageNotFoundError):
        itk = meta.version("itk-io")
        found["MONAI ITKReader"] = f"{meta.version('monai')}, itk {itk}"
    return {name: found[name] for name in READERS if name in found}


@contextlib.contextmanager
def _heard(said: list[str]) -> Iterator[None]:
    """Collect Python warnings, and what libraries in C write to standard error."""
    with (
        tempfile.TemporaryFile() as heard,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        kept = os.dup(2)
        os.dup2(heard.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            heard.seek(0)
            said += heard.read().decode(errors="replace").splitlines()
            said += [f"{w.category.__name__}: {w.message}" for w in caught]


def _read(name: str, folder: Path, policy: dict[str, str]) -> Reading:
    said: list[str] = []
    reading = Reading()
    with _heard(said):
        try:
            reading = READERS[name](folder, policy)
        except Exception as error:  # noqa: BLE001 - whatever a reader raises, it said so
            reading.error = f"{type(error).__name__}: {error}"
    reading.said += said
    return reading


def main() -> None:
    name, cases, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    for case in json.loads((cases / "cases.json").read_text()):
        target = out / f"{case['name']}.json"
        if target.exists():
            continue
        (out / "current").write_text(case["name"])
        reading = _read(name, cases / case["name"], case["policy"])
        arrays: dict[str, Any] = {
            f"v{n}": v for n, (v, _) in enumerate(reading.volumes)
        }
        arrays |= {f"a{n}": a for n, (_, a) in enumerate(reading.volumes)}
        np.savez(out / f"{case['name']}.npz", **arrays)
        target.write_text(json.dumps({"said": reading.said, "error": reading.error}))


if __name__ == "__main__":
    main()
