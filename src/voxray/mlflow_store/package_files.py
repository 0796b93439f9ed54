"""Whether a model folder still holds the bytes that its `package.json` names."""

from pathlib import Path

from voxray.core.errors import ConfigError, ManifestError
from voxray.core.hashing import sha256_file
from voxray.core.specs import ModelPackage

PACKAGE_FILE = "package.json"
PACKAGE_TAG = "package_sha256"
"""Of a version: hash of its `package.json`, which has those of all other files."""


def read_package_file(folder: Path) -> ModelPackage:
    """Read `package.json` without comparing any file.

    Raises:
        ConfigError: If the folder is no model folder.
        ManifestError: If the file is broken or of a newer schema.
    """
    path = folder / PACKAGE_FILE
    if not path.is_file():
        msg = f"{str(folder)!r} is no model folder: it has no {PACKAGE_FILE}"
        raise ConfigError(msg)
    try:
        return ModelPackage.model_validate_json(path.read_bytes())
    except ValueError as error:
        msg = f"{str(path)!r} was not written by this version of voxray: {error}"
        raise ManifestError(msg) from error


def file_problems(folder: Path) -> tuple[str, ...]:
    """What differs from the hashes in `package.json`; empty when nothing does.

    Raises:
        ConfigError: If the folder is no model folder.
        ManifestError: If `package.json` is broken.
    """
    expected = read_package_file(folder).files
    present = {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and p.name != PACKAGE_FILE
    }
    missing = [f"{name} is missing" for name in sorted(set(expected) - present)]
    unknown = [f"{name} is not listed" for name in sorted(present - set(expected))]
    changed = [
        f"{name} was changed"
        for name in sorted(present & set(expected))
        if sha256_file(folder / name) != expected[name]
    ]
    return (*missing, *unknown, *changed)
