"""A tiny cohort in which every place that can name a person holds a word of its own."""

import secrets
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset

from tests.makers import Series, a_slice, save_dicom, truncate
from tests.stages.cohort import CLASSIFY, SEGMENT
from tests.stages.dicom_masks import a_telling_seg, a_telling_structure_set

SHAPE = (16, 20, 12)
AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])
HEADER = {
    "patient name": "PatientName",
    "other patient ids": "OtherPatientIDs",
    "accession number": "AccessionNumber",
    "study id": "StudyID",
    "study description": "StudyDescription",
    "series description": "SeriesDescription",
    "protocol name": "ProtocolName",
    "institution": "InstitutionName",
    "institution address": "InstitutionAddress",
    "department": "InstitutionalDepartmentName",
    "referring physician": "ReferringPhysicianName",
    "performing physician": "PerformingPhysicianName",
    "physician of record": "PhysiciansOfRecord",
    "operator": "OperatorsName",
    "station": "StationName",
    "device serial number": "DeviceSerialNumber",
    "patient comments": "PatientComments",
    "image comments": "ImageComments",
    "patient address": "PatientAddress",
    "telephone": "PatientTelephoneNumbers",
    "mother's name": "PatientMotherBirthName",
    "occupation": "Occupation",
    "issuer of patient id": "IssuerOfPatientID",
    "requested procedure": "RequestedProcedureDescription",
    "contrast agent": "ContrastBolusAgent",
}
"""Elements of text, by what they are called here."""

WORDS = (
    "patient id",
    "private element",
    "scan root folder",
    "patient folder",
    "series folder",
    "file name",
    "name of a text file",
    "content of a text file",
    "name of a damaged file",
    "link name",
    "archive name",
    "archive member",
    "nifti name",
    "nifti description",
    "nifti auxiliary file",
    "nifti intent",
    "nifti extension",
    "png name",
    "png text",
    "mask folder",
    "label table",
    "person column",
    "other column name",
    "other column value",
    "segmentation file",
    "segmentation series",
    "segment description",
    "segmentation creator",
    "structure set file",
    "structure set label",
    "region name",
    "region observer",
    "inbox folder",
    "inbox patient",
    "inbox file",
)
NUMBERS = {
    "study uid": 24,
    "series uid": 24,
    "instance uid": 24,
    "frame of reference uid": 24,
    "birth date": 8,
}
_LETTERS = "bcdfghjkmnpqrstvwxz"


def make_tokens() -> dict[str, str]:
    """A random word or number for every place, which occurs nowhere else."""
    draw = secrets.SystemRandom()
    words = {
        name: "Q" + "".join(draw.choices(_LETTERS, k=9)) + str(draw.randrange(10))
        for name in (*HEADER, *WORDS)
    }
    numbers = {
        name: str(draw.randrange(10 ** (n - 1), 10**n))
        for name, n in NUMBERS.items()
        if name != "birth date"
    }
    born = f"19{draw.randrange(30, 70)}{draw.randrange(10, 13)}{draw.randrange(10, 29)}"
    return words | numbers | {"birth date": born}


@dataclass(frozen=True)
class TokenCohort:
    """Where the cohort is, and what is planted in it.

    Attributes:
        folder: Everything is written below it.
        tokens: By place.
    """

    folder: Path
    tokens: Mapping[str, str] = field(default_factory=make_tokens)

    def __getitem__(self, name: str) -> str:
        return self.tokens[name]

    @property
    def root(self) -> Path:
        """Folder with scans, masks and labels."""
        return self.folder / self["scan root folder"]

    @property
    def inbox(self) -> Path:
        """Scans to score."""
        return self.folder / self["inbox folder"]

    def settings(self, name: str) -> dict[str, Any]:
        """An experiment on it, as it stands in YAML."""
        return {
            "name": name,
            "data": {
                "scans": str(self.root / "scans"),
                "masks": str(self.root / self["mask folder"]),
                "labels": {
                    "table": str(self.root / f"{self['label table']}.csv"),
                    "key": {"column": "scan"},
                },
                "patient": {"column": "person"},
                "channels": {"image": {"modality": ["MR"], "n_slices": [3, None]}},
            },
            "task": {"classify": dict(CLASSIFY), "segment": dict(SEGMENT)},
            "folds": {"n": 2},
            "train": {"steps": 4, "batch_size": 2, "device": "cpu"},
            "evaluate": {"resamples": 200},
            "score": {"scans": str(self.inbox)},
        }

    def write(self) -> None:
        """Six DICOM series (one zipped), two NIfTI files, masks, labels and dirt."""
        names = [self._dicom_patient(n) for n in range(5)]
        names += [self._zipped_patient(5), *(self._nifti_patient(n) for n in (6, 7))]
        self._dirt()
        other = f"{self['other column name']},lesion"
        rows = [f"scan,person,{other}"]
        for n, name in enumerate(names):
            value = f"{self['other column value']}{n}"
            ill = "yes" if n % 2 else "no"
            rows.append(f"{name},{self['person column']}{n},{value},{ill}")
        table = self.root / f"{self['label table']}.csv"
        table.write_text("\n".join(rows) + "\n")
        self._inbox()

    def _dicom_patient(self, n: int) -> str:
        """Patients 3 and 4 have DICOM masks, the others NIfTI."""
        name = f"{self['patient folder']}{n}/{self['series folder']}{n}"
        slices = self._slices(n)
        for k, piece in enumerate(slices):
            file = self.root / "scans" / name / f"{self['file name']}_{k}"
            save_dicom(piece, file)
        self._mask(n, name, slices)
        return name

    def _slices(self, n: int, patient: str | None = None) -> list[Dataset]:
        voxels = image_of(n).transpose(2, 1, 0)
        series = Series(
            name=f"s{n}", spacing_mm=(1.0, 1.0, 1.0), voxels=voxels, study=f"t{n}"
        )
        slices = [a_slice(series, k) for k in range(SHAPE[2])]
        for k, piece in enumerate(slices):
            self._plant(piece, n, k, patient or self["patient id"])
        return slices

    def _plant(self, piece: Dataset, n: int, k: int, patient: str) -> None:
        for name, keyword in HEADER.items():
            suffix = "^A" if keyword == "PatientName" else ""
            setattr(piece, keyword, self[name] + suffix)
        piece.PatientSex, piece.PatientAge, piece.StudyDate = "F", "071Y", "20200131"
        piece.StudyTime = "101112"
        piece.PatientID, piece.PatientBirthDate = f"{patient}{n}", self["birth date"]
        piece.StudyInstanceUID = f"2.25.{self['study uid']}{n}"
        piece.SeriesInstanceUID = f"2.25.{self['series uid']}{n}"
        piece.SOPInstanceUID = f"2.25.{self['instance uid']}{n}{k:02d}"
        piece.FrameOfReferenceUID = f"2.25.{self['frame of reference uid']}{n}"
        block = piece.private_block(0x0029, "SOME MAKER", create=True)
        block.add_new(0x01, "LO", self["private element"])

    def _mask(self, n: int, name: str, slices: list[Dataset]) -> None:
        masks = self.root / self["mask folder"]
        if n == 3:
            drawn = a_telling_seg(slices, block_of(n), self.tokens)
            save_dicom(drawn, masks / f"{self['segmentation file']}.dcm")
        elif n == 4:
            drawn = a_telling_structure_set(slices, AFFINE, self.tokens)
            save_dicom(drawn, masks / f"{self['structure set file']}.dcm")
        else:
            self._nifti(masks / f"{name}.nii.gz", block_of(n).astype(np.uint8) * 3)

    def _zipped_patient(self, n: int) -> str:
        """A series in an archive; its folder in there names it."""
        path = self.root / "scans" / f"{self['archive name']}.zip"
        slices = self._slices(n)
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for k, piece in enumerate(slices):
                file = save_dicom(piece, self.folder / "member")
                archive.write(file, f"{self['archive member']}/{k}")
                file.unlink()
        name = f"{path.name}/{self['archive member']}"
        self._mask(n, name, slices)
        return name

    def _nifti_patient(self, n: int) -> str:
        name = f"{self['nifti name']}{n}"
        self._nifti(self.root / "scans" / f"{name}.nii.gz", image_of(n))
        mask = block_of(n).astype(np.uint8) * 3
        self._nifti(self.root / self["mask folder"] / f"{name}.nii.gz", mask)
        return name

    def _nifti(self, path: Path, voxels: NDArray[Any]) -> None:
        image: Any = nib.Nifti1Image(voxels, AFFINE)
        image.header["descrip"] = self["nifti description"]
        image.header["aux_file"] = self["nifti auxiliary file"]
        image.header["intent_name"] = self["nifti intent"]
        told = nib.nifti1.Nifti1Extension("comment", self["nifti extension"].encode())
        image.header.extensions.append(told)
        path.parent.mkdir(parents=True, exist_ok=True)
        image.to_filename(path)

    def _dirt(self) -> None:
        """Files that are refused, each with a word in its name."""
        scans = self.root / "scans"
        text = scans / f"{self['name of a text file']}.txt"
        text.write_text(self["content of a text file"])
        broken = scans / f"{self['name of a damaged file']}.dcm"
        truncate(save_dicom(self._slices(8)[0], broken), 0.8)
        (scans / self["link name"]).symlink_to("/etc/hostname")
        told = PngImagePlugin.PngInfo()
        told.add_text("Comment", self["png text"])
        grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
        grey.save(scans / f"{self['png name']}.png", pnginfo=told)

    def _inbox(self) -> None:
        """Two scans to score, a damaged one, and one too few slices."""
        for n in (20, 21):
            for k, piece in enumerate(self._slices(n, self["inbox patient"])):
                save_dicom(piece, self.inbox / f"{n}" / f"{self['inbox file']}{k}")
        gap = self._slices(22, self["inbox patient"])
        for k, piece in enumerate(gap[:4] + gap[5:]):
            save_dicom(piece, self.inbox / "22" / f"{self['inbox file']}{k}")
        self._nifti(self.inbox / f"{self['inbox file']}.nii.gz", image_of(23))
        (self.inbox / f"{self['inbox file']}.txt").write_text("x")


def block_of(n: int) -> NDArray[np.bool_]:
    """Where the lesion of patient n is, (i, j, k); healthy ones have none."""
    block = np.zeros(SHAPE, bool)
    if n % 2:
        block[4:10, 6:12, 4:8] = True
    return block


def image_of(n: int) -> NDArray[np.int16]:
    """Voxels (i, j, k) with a bright block when ill."""
    grey = np.random.default_rng(n).normal(300, 20, SHAPE)
    return (grey + 200 * block_of(n)).astype(np.int16)
