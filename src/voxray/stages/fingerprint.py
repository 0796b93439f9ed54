"""What a stage depends on, as hashes: the code, a folder, the files it wrote.

Two kinds of file signature:

- `sha256` of the contents, for everything a person or a later stage reads;
- size and modification time, for large caches that only voxray writes (the folders a
  stage names in `Stage.caches`).

Scan folders, which can hold terabytes, are known by size, time of modification and time
of change of every file: the last is what tells a file that was put in another's place
with its old date.
"""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

import voxray
from voxray.core.errors import ConfigError
from voxray.core.hashing import sha256_file, sha256_files, sha256_json
from voxray.core.records import Sha256
from voxray.core.tree import entries_below

Signature = Mapping[str, Any]
"""Either {"sha256": …} or {"size_bytes": …, "mtime_ns": …}."""

_DRAWS_ONLY = {"cli", "__pycache__"}  # the terminal changes no output


@cache
def code_hash() -> Sha256:
    """Hash over the package's Python files and templates, without the command line."""
    root = Path(voxray.__file__).parent
    tops = sorted(p for p in root.iterdir() if p.name not in _DRAWS_ONLY)
    files = [f for top in tops for f in ([top] if top.is_file() else _sources(top))]
    return sha256_files(files, root)


@cache
def installed_packages() -> tuple[str, ...]:
    """Python and every installed package with its version, sorted; no paths."""
    found = {
        f"{distribution.metadata['Name']}=={distribution.version}"
        for distribution in metadata.distributions()
    }
    return (f"python=={platform.python_version()}", *sorted(found, key=str.lower))


def _sources(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.rglob("*") if p.is_file())
    return [p for p in found if "__pycache__" not in p.parts]


def folder_hash(folder: Path) -> Sha256:
    """Hash over names, sizes and times of all files below a folder; reads none.

    Args:
        folder: A folder, or one file.

    Raises:
        ConfigError: If it is not there.
        MachineError: If a folder inside may not be read.
    """
    if folder.is_file():
        return sha256_json([_state(folder.name, folder.lstat())])
    if not folder.is_dir():
        msg = f"the folder {str(folder)!r} does not exist"
        raise ConfigError(msg)
    rows = [_state(name, status) for name, status in entries_below(folder)]
    return sha256_json(sorted(rows))


def _state(name: str, status: os.stat_result | None) -> tuple[str, int, int, int]:
    if status is None:
        return name, 0, 0, 0
    return name, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def table_hash(path: Path) -> Sha256:
    """Hash of a table's contents.

    Raises:
        ConfigError: If the file is not there.
    """
    if not path.is_file():
        msg = f"the table {str(path)!r} does not exist"
        raise ConfigError(msg)
    return sha256_file(path)


def signatures(folder: Path, caches: Sequence[str] = ()) -> dict[str, Signature]:
    """Signature of every file below a stage folder, by relative name.

    Hidden files (temporary ones, locks) and `stage.json` are left out.

    Args:
        folder: The stage's folder; may be absent.
        caches: Sub-folders whose files are known by size and time only.
    """
    names = [n for n in _walk(folder) if not _is_bookkeeping(PurePosixPath(n))]
    return {n: _signature(folder / n, _is_below(n, caches)) for n in names}


def _walk(folder: Path) -> Iterator[str]:
    for top, inner, files in os.walk(folder):
        inner.sort()
        for name in sorted(files):
            yield (Path(top) / name).relative_to(folder).as_posix()


def _is_bookkeeping(name: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") for part in name.parts)
    return hidden or name.as_posix() == "stage.json"


def _is_below(name: str, folders: Sequence[str]) -> bool:
    return any(name.startswith(f"{folder}/") for folder in folders)


def _signature(path: Path, cached: bool) -> Signature:  # noqa: FBT001 - private
    if cached:
        size_bytes, mtime_ns = _stat_row(path)
        return {"size_bytes": size_bytes, "mtime_ns": mtime_ns}
    return {"sha256": sha256_file(path)}


def _stat_row(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_size, status.st_mtime_ns
