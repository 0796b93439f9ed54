"""Whether a model has seen a patient: by pixels, or by pseudonym under the same key."""

from collections.abc import Iterable, Iterator

from voxray.core.hashing import sha256_json
from voxray.core.ids import Pseudonymizer
from voxray.core.records import PatientId, ScanRecord
from voxray.core.specs import SeenScans

SEEN_FILE = "seen.json"
"""Of a model folder."""

_TOKEN_CHARACTERS = 32


def remember(
    records: Iterable[ScanRecord], pseudonymizer: Pseudonymizer, salt: str
) -> SeenScans:
    """List what the scans and patients of a training are recognised by.

    No id and no hash of pixels stands in it as it is: whoever holds a scan can tell
    whether it is among them, and nobody can tell anything else.

    Args:
        records: Every scan of every patient that had any part in the model.
        pseudonymizer: Made the ids of the records.
        salt: Another one for every model.
    """
    rows = list(records)
    return SeenScans(
        salt=salt,
        key=_token(salt, _key_of(pseudonymizer)),
        pixels=_tokens(salt, (row.sha256_pixels for row in rows)),
        patients=_tokens(
            salt, (p for r in rows for p in _keyed(r.patient_id, pseudonymizer))
        ),
    )


def recognised(
    records: Iterable[ScanRecord], seen: SeenScans, pseudonymizer: Pseudonymizer
) -> frozenset[PatientId]:
    """Patients of whom the model has seen a scan, or who have the same pseudonym.

    A scan that was stored with loss, cropped or resampled has other pixels: then only
    the pseudonym tells.
    """
    pixels, patients = frozenset(seen.pixels), frozenset(seen.patients)
    return frozenset(
        row.patient_id
        for row in records
        if _token(seen.salt, row.sha256_pixels) in pixels
        or not patients.isdisjoint(
            _tokens(seen.salt, _keyed(row.patient_id, pseudonymizer))
        )
    )


def knows_key(seen: SeenScans, pseudonymizer: Pseudonymizer) -> bool:
    """Whether patients can be recognised by pseudonym at all."""
    return seen.key == _token(seen.salt, _key_of(pseudonymizer))


def _key_of(pseudonymizer: Pseudonymizer) -> str:
    return pseudonymizer.study_id("which key")


def _keyed(patient: PatientId, pseudonymizer: Pseudonymizer) -> Iterator[str]:
    """The pseudonym; of a readable id those that it would have had.

    A readable id may be issuer and PatientID, joined by one of its underscores.
    """
    if not pseudonymizer.readable:
        yield patient
        return
    keyed = Pseudonymizer(pseudonymizer.key)
    yield keyed.patient_id(f"\0{patient}", "")
    parts = patient.split("_")
    for n in range(1, len(parts)):
        yield keyed.patient_id(f"{'_'.join(parts[:n])}\0{'_'.join(parts[n:])}", "")


def _tokens(salt: str, values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({_token(salt, value) for value in values}))


def _token(salt: str, value: str) -> str:
    return sha256_json([salt, value])[:_TOKEN_CHARACTERS]
