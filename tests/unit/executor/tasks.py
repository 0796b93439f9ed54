"""Work that a worker process can import."""

import os
from dataclasses import dataclass
from pathlib import Path

from voxray.core.errors import UnreadableScanError


@dataclass(frozen=True)
class Item:
    scan_id: str
    folder: Path
    dies: int = 0


def double(number):
    return number * 2


def refuse_odd(number):
    if number % 2:
        scan_id = f"s{number}"
        raise UnreadableScanError(scan_id, "odd")
    return number


def fail(number):
    msg = f"bug at {number}"
    raise RuntimeError(msg)


def process_id(_item):
    return os.getpid()


def live_or_die(item):
    """End the process without a word the first `dies` times this item comes."""
    marks = item.folder / item.scan_id
    before = len(marks.read_bytes()) if marks.exists() else 0
    marks.write_bytes(b"x" * (before + 1))
    if before < item.dies:
        os._exit(9)
    return item.scan_id
