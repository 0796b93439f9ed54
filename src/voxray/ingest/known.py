"""What the index knows of the voxels of scans."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from voxray.core.hashing import sha256_json
from voxray.core.records import ScanId, Sha256
from voxray.ingest.codec import Codec
from voxray.ingest.index import Index, is_paired, stamp_of, stamp_on_disk
from voxray.ingest.listing import Listing
from voxray.ingest.pixels import PixelFacts, PixelTask

_TASK, _FACTS = Codec(PixelTask), Codec(PixelFacts)


class KnownPixels:
    """Facts of scans whose files, mask and way of reading have not changed."""

    def __init__(self, index: Index, listing: Listing) -> None:
        self._index = index
        self._top = f"{listing.root.as_posix().rstrip('/')}/"
        self._files = {file.path.as_posix(): file for file in listing.files}
        self._keys: dict[ScanId, Sha256 | None] = {}

    def of(self, tasks: Iterable[PixelTask]) -> dict[ScanId, PixelFacts]:
        """Facts of those tasks that the index knows."""
        if not self._index.remembers:
            return {}
        known = {}
        for task in tasks:
            key = self._keys[task.source.scan_id] = self._key(task)
            if (facts := self._index.known_scan(key, _FACTS)) is not None:
                known[task.source.scan_id] = facts
        return known

    def keep(self, task: PixelTask, facts: PixelFacts) -> None:
        """Remember what was read; not what could not be read: it may be next time."""
        if facts.grid is not None:
            key = self._keys.get(task.source.scan_id)
            self._index.remember_scan(key, _FACTS.to_text(facts))

    def _key(self, task: PixelTask) -> Sha256 | None:
        """Hash over the task and the state of its files; None if one is gone.

        Paths count relative to the scan folder, so that the folder may move. Where
        pictures go does not count: who needs one that is missing draws it.
        """
        task = replace(task, thumbnails=None, headers=())
        stamps = [self._stamp(path) for path in _paths(task)]
        if None in stamps:
            return None
        text = _TASK.to_text(task).replace(f'"{json.dumps(self._top)[1:-1]}', '"')
        return sha256_json([text, stamps])

    def _stamp(self, path: Path) -> str | None:
        name = path.as_posix()
        if is_paired(name):
            return None
        file = self._files.get(name.removeprefix(self._top))
        try:
            return stamp_of(file) if file else stamp_on_disk(path)
        except OSError:
            return None


def _paths(value: Any) -> Iterator[Path]:  # noqa: ANN401 - whatever a record holds
    """Every path in a record."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _paths(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _paths(getattr(value, field.name))
