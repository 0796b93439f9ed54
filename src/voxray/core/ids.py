"""Keyed pseudonyms: one id per scan for one user, that no one else can undo."""

import base64
import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from voxray.core.errors import MachineError
from voxray.core.files import machine_errors, private_folder
from voxray.core.records import ExamId, PatientId, ScanId

_KEY_BYTES = 32
_ID_CHARACTERS = 16
_KEYED = re.compile(f"[a-z]-[a-z2-7]{{{_ID_CHARACTERS}}}")


@dataclass(frozen=True, slots=True, repr=False)
class Pseudonymizer:
    """Makes ids. `readable` keeps relative paths and patient names, for public data.

    Attributes:
        key: Secret of this user.
        readable: Whether ids are the paths and patient ids themselves.
    """

    key: bytes
    readable: bool = False

    def scan_id(self, identity: str, readable_name: str) -> ScanId:
        """Id of a scan.

        Args:
            identity: SeriesInstanceUID and volume index, or the relative path.
            readable_name: What it is called with readable ids.
        """
        return ScanId(readable_name if self.readable else self._keyed("s", identity))

    def patient_id(self, identity: str, readable_name: str) -> PatientId:
        """Id of a patient from issuer and PatientID, a column, or a path."""
        name = readable_name if self.readable else self._keyed("p", identity)
        return PatientId(name)

    def exam_id(self, identity: str, readable_name: str | None) -> ExamId:
        """Id of an exam of several scans, from its study, folder or name.

        Args:
            identity: What the data call it.
            readable_name: None for a StudyInstanceUID, which names a person.
        """
        if self.readable and readable_name is not None:
            return ExamId(readable_name)
        return ExamId(self._keyed("x", identity))

    def stored_ids(self, exam: ExamId, patient: PatientId) -> tuple[ExamId, PatientId]:
        """What the store calls an exam and its patient: keyed also where readable."""
        if _KEYED.fullmatch(exam) and _KEYED.fullmatch(patient):
            return exam, patient
        keyed = Pseudonymizer(self.key)
        return keyed.exam_id(exam, None), keyed.patient_id(patient, "")

    def study_id(self, identity: str) -> str:
        """Id of a study; never readable, since a StudyInstanceUID names a person."""
        return self._keyed("e", identity)

    def _keyed(self, prefix: str, identity: str) -> str:
        digest = hmac.new(self.key, f"{prefix}\0{identity}".encode(), hashlib.sha256)
        text = base64.b32encode(digest.digest()).decode("ascii").lower()
        return f"{prefix}-{text[:_ID_CHARACTERS]}"


def readable_scan_name(path: PurePosixPath) -> str:
    """Relative path without the image suffixes; safe as a file name.

    Example:
        >>> readable_scan_name(PurePosixPath("site1/case 7.nii.gz"))
        'site1__case_7'
    """
    name = path.as_posix()
    for suffix in (".nii.gz", ".nii", ".dcm", ".png", ".jpg", ".jpeg"):
        name = name.removesuffix(suffix)
    kept = (c if c.isalnum() or c in "-_." else "_" for c in name.replace("/", "__"))
    return "".join(kept)


def load_or_make_key(path: Path) -> bytes:
    """Read the user's key; make it (0600) the first time.

    Raises:
        MachineError: If the file is there but too short to be a key.
    """
    if not path.exists():
        _make_key(path)
    with machine_errors(path):
        key = path.read_bytes()
    if len(key) < _KEY_BYTES:
        msg = (
            f"the key file {path} holds {len(key)} bytes, a key has {_KEY_BYTES}; "
            "restore it from a backup, or delete it to get new ids"
        )
        raise MachineError(msg)
    return key


def _make_key(path: Path) -> None:
    if not path.parent.exists():  # a folder that is already there is not ours to close
        private_folder(path.parent)
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with machine_errors(path), os.fdopen(os.open(temporary, flags, 0o600), "wb") as f:
        f.write(secrets.token_bytes(_KEY_BYTES))
    try:
        with machine_errors(path):
            os.link(temporary, path)  # fails if another process was first: its counts
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
