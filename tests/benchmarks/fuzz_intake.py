"""Damage real files and read them: a scan error or a volume, nothing else.

    python tests/benchmarks/fuzz_intake.py --inputs 20000 --seed 1 [--seconds 600]

Real DICOM, NIfTI, picture and archive files (those of pydicom, and generated ones) are
cut, spliced and edited; then every reader of the intake is called on them. Exit code 1
if one crashes, takes more than a second of processor time or too much memory, warns, or
gives a volume that is none. Such inputs are kept in the folder given with --keep.
"""

import argparse
import faulthandler
import multiprocessing
import random
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from voxray.core.errors import ScanError
from voxray.core.records import FileFormat, ScanId, ScanSource, Volume
from voxray.scan_io import (
    FileKind,
    file_kind,
    read_dicom_header,
    read_nifti_grid,
    read_volume,
)

sys.path.append(str(Path(__file__).parents[2]))  # for tests.makers
from tests.benchmarks.fuzz_seeds import real_files

BATCH = 500
MIB = 1 << 20
MAX_INPUT_BYTES = 4 * MIB
FORMATS = {
    FileKind.DICOM: FileFormat.DICOM,
    FileKind.NIFTI: FileFormat.NIFTI,
    FileKind.PICTURE: FileFormat.PICTURE,
}
INTERESTING = (
    0,
    1,
    2,
    7,
    8,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFE,
    0xFFFF,
    1 << 20,
    1 << 31,
)
TOKENS = (
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",  # item without length
    b"\xfe\xff\x00\xe0\x00\x00\x00\x00",
    b"\xfe\xff\x0d\xe0\x00\x00\x00\x00",  # item ends
    b"\xfe\xff\xdd\xe0\x00\x00\x00\x00",  # sequence ends
    b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff",
    b"\x00\x52\x30\x92SQ\x00\x00\xff\xff\xff\xff",  # per-frame groups
    b"\x09\x00\x10\x00UN\x00\x00\xff\xff\xff\xff",
    b"\xe0\x7f\x10\x00OW\x00\x00\xff\xff\xff\xff",
    b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\x7f",
    b"\x28\x00\x10\x00US\x02\x00\xff\xff",  # rows
    b"\x28\x00\x11\x00US\x02\x00\xff\xff",  # columns
    b"\x28\x00\x02\x00US\x02\x00\xff\xff",  # samples
    b"\x28\x00\x00\x01US\x02\x00\x01\x00",  # bits
    b"\x28\x00\x08\x00IS\x0a\x002147483647",  # frames
    b"\x28\x00\x08\x00IS\x02\x00-1",
    b"\x28\x00\x53\x10DS\x04\x001e99",  # slope
    b"\x28\x00\x30\x00DS\x04\x000\\0 ",  # spacing
    b"\x08\x00\x05\x00CS\x0e\x00ISO 2022 IR 87",
    b"\x08\x00\x08\x00CS\x06\x00MOSAIC",
    b"1.2.840.10008.1.2\x00",
    b"1.2.840.10008.1.2.2\x00",
    b"1.2.840.10008.1.2.5\x00",
    b"1.2.840.10008.1.2.1.99",
    b"1.2.840.10008.1.2.4.50",
    b"1.2.840.10008.1.2.4.90",
    b"nan\\inf\\-inf ",
    b"n+1\x00",
    b"\x1b$B",
)


def flip_bits(content: bytearray, rng: random.Random, _: bytes) -> None:
    for _bit in range(rng.choice((1, 4, 32))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def set_length(content: bytearray, rng: random.Random, _: bytes) -> None:
    """Overwrite two or four bytes, mostly where lengths stand, near the start."""
    size = rng.choice((2, 4))
    value = rng.choice(INTERESTING) & ((1 << 8 * size) - 1)
    at = rng.randrange(min(len(content), rng.choice((400, 2000, 1 << 30))))
    content[at : at + size] = value.to_bytes(size, rng.choice(("little", "big")))


def cut(content: bytearray, rng: random.Random, _: bytes) -> None:
    del content[rng.randrange(len(content)) :]


def splice(content: bytearray, rng: random.Random, other: bytes) -> None:
    content[rng.randrange(len(content)) :] = other[rng.randrange(len(other)) :]


def insert_token(content: bytearray, rng: random.Random, _: bytes) -> None:
    at = rng.choice((132, 300, rng.randrange(len(content))))
    content[at:at] = rng.choice(TOKENS) * rng.choice((1, 1, 1, 3, 100, 5000))


def overwrite_token(content: bytearray, rng: random.Random, _: bytes) -> None:
    at, token = rng.randrange(len(content)), rng.choice(TOKENS)
    content[at : at + len(token)] = token


def repeat_block(content: bytearray, rng: random.Random, _: bytes) -> None:
    at, size = rng.randrange(len(content)), rng.choice((2, 8, 40, 500))
    content[at:at] = content[at : at + size] * rng.choice((1, 2, 200))


def swap_blocks(content: bytearray, rng: random.Random, _: bytes) -> None:
    size = rng.choice((1, 8, 64, 512))
    one, two = (rng.randrange(len(content)) for _ in range(2))
    block = content[one : one + size]
    content[one : one + size], content[two : two + size] = (
        content[two : two + size],
        block,
    )


def remove_block(content: bytearray, rng: random.Random, _: bytes) -> None:
    at = rng.randrange(len(content))
    del content[at : at + rng.choice((1, 2, 8, 100))]


def clear_block(content: bytearray, rng: random.Random, _: bytes) -> None:
    at, size = rng.randrange(len(content)), rng.choice((4, 40, 400))
    content[at : at + size] = rng.choice((b"\0", b"\xff", b" ")) * size


def noise(content: bytearray, rng: random.Random, _: bytes) -> None:
    content[rng.choice((0, 132, 348)) :] = rng.randbytes(rng.choice((8, 400, 5000)))


DAMAGE: tuple[Callable[[bytearray, random.Random, bytes], None], ...] = (
    flip_bits,
    set_length,
    set_length,
    cut,
    splice,
    insert_token,
    insert_token,
    overwrite_token,
    repeat_block,
    swap_blocks,
    remove_block,
    clear_block,
    noise,
)


def damaged(
    number: int, seed: int, seeds: list[tuple[str, bytes]]
) -> tuple[str, bytes]:
    """The input of this number: the same for the same seed and files."""
    rng = random.Random(f"{seed}/{number}")
    name, content = rng.choice(seeds)
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        if changed:
            rng.choice(DAMAGE)(changed, rng, rng.choice(seeds)[1])
    return name, bytes(changed[:MAX_INPUT_BYTES])


class TookTooLongError(BaseException):
    """Raised by the alarm; no reader may catch it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop after so much processor time; a hang in C ends the process at 30 times."""

    def ring(*_: object) -> None:
        raise TookTooLongError

    signal.signal(signal.SIGPROF, ring)
    faulthandler.dump_traceback_later(30 * seconds, exit=True)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()


def read_all(path: Path) -> Iterator[str]:
    """Call every reader as the intake does; yield what each came to."""
    kind = file_kind(path)
    yield f"kind {kind.value}"
    frames: tuple[int, ...] = ()
    for read in (read_dicom_header, read_nifti_grid):
        try:
            result: Any = read(path, "fuzz")
            frames = frames or tuple(f.index for f in getattr(result, "frames", ()))
            yield f"{read.__name__}: read"
        except ScanError as error:
            yield f"{read.__name__}: {type(error).__name__}"
    if kind not in FORMATS:
        return
    files = (path,) * (len(frames) or 1)
    try:
        source = ScanSource(ScanId("fuzz"), FORMATS[kind], files, frames)
        check(read_volume(source))
        yield f"{kind.value} volume: read"
    except ScanError as error:
        yield f"{kind.value} volume: {type(error).__name__}"


def check(volume: Volume) -> None:
    """Raise if this is no volume."""
    voxels, grid = volume.voxels, volume.grid
    with np.errstate(all="ignore"):
        determinant = float(np.linalg.det(grid.affine[:3, :3]))
    sound = (
        voxels.dtype == np.float32
        and voxels.ndim == 3
        and voxels.shape == tuple(grid.shape)
        and min(voxels.shape) > 0
        and bool(np.isfinite(grid.affine).all())
        and determinant != 0
    )
    if not sound:
        msg = f"no volume: {voxels.dtype} {voxels.shape}, grid {grid}"
        raise AssertionError(msg)


@dataclass
class Outcome:
    """What a batch of inputs came to."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str, str]] = field(default_factory=list)
    slowest: tuple[float, int, str] = (0.0, -1, "")
    hungriest: tuple[float, int, str] = (0.0, -1, "")
    n_inputs: int = 0

    def add(self, other: "Outcome") -> None:
        self.counts.update(other.counts)
        self.failures += other.failures
        self.slowest = max(self.slowest, other.slowest)
        self.hungriest = max(self.hungriest, other.hungriest)
        self.n_inputs += other.n_inputs


def run_one(number: int, name: str, path: Path, limits: tuple[float, float]) -> Outcome:
    """Read one input within the limits of seconds and MiB."""
    outcome = Outcome(n_inputs=1)
    before = _reset_peak_mib()
    began = time.process_time()
    try:
        with time_limit(limits[0]):
            outcome.counts.update(read_all(path))
    except TookTooLongError:
        outcome.failures.append((number, name, f"more than {limits[0]:g} s"))
    except BaseException as error:  # noqa: BLE001 - any but a scan error is a finding
        outcome.failures.append((number, name, repr(error)[:300]))
    seconds, mib = time.process_time() - began, _peak_mib() - before
    if mib > limits[1]:
        outcome.failures.append((number, name, f"{mib:.0f} MiB of memory"))
    outcome.slowest = (seconds, number, name)
    outcome.hungriest = (mib, number, name)
    return outcome


def _reset_peak_mib() -> float:
    Path("/proc/self/clear_refs").write_text("5")
    return _status_mib("VmRSS")


def _peak_mib() -> float:
    return _status_mib("VmHWM")


def _status_mib(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0


def run_batch(numbers: range, seed: int, limits: tuple[float, float], out: Any) -> None:
    """Run inputs in this process and send each outcome; the parent sees a crash."""
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder:
        seeds = real_files(Path(folder))
        path = Path(folder) / "input"
        for number in numbers:
            name, content = damaged(number, seed, seeds)
            path.write_bytes(content)
            out.send(number)
            out.send(run_one(number, name, path, limits))
    out.send(None)


def run(arguments: argparse.Namespace) -> Outcome:
    """Run all inputs, in processes that may die."""
    total, next_number = Outcome(), 0
    limits = (arguments.limit_seconds, arguments.limit_mib)
    deadline = time.monotonic() + arguments.seconds
    while next_number < arguments.inputs and time.monotonic() < deadline:
        numbers = range(next_number, min(next_number + BATCH, arguments.inputs))
        receive, send = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("spawn").Process(
            target=run_batch, args=(numbers, arguments.seed, limits, send)
        )
        child.start()
        send.close()
        next_number = _collect(receive, total, next_number)
        child.join()
        print(f"{total.n_inputs} inputs, {len(total.failures)} failures", flush=True)
    return total


def _collect(receive: Any, total: Outcome, number: int) -> int:
    """Take outcomes until the batch ends; give the number that follows."""
    try:
        while (number_or_end := receive.recv()) is not None:
            number = number_or_end
            total.add(receive.recv())
    except EOFError:
        total.failures.append((number, "?", "the process died"))
        total.n_inputs += 1
    return number + 1


def keep_failures(
    failures: list[tuple[int, str, str]], seed: int, folder: Path
) -> None:
    """Write the inputs that failed, made again from their numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        seeds = real_files(Path(made))
    for number, _, _ in failures:
        name, content = damaged(number, seed, seeds)
        (folder / f"seed{seed}_{number}_{name}").write_bytes(content)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--limit-seconds", type=float, default=1.0)
    parser.add_argument("--limit-mib", type=float, default=64.0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz_failures"))
    arguments = parser.parse_args()
    total = run(arguments)
    for what, count in sorted(total.counts.items()):
        print(f"{count:8d}  {what}")
    print(f"slowest: {total.slowest}, most memory in MiB: {total.hungriest}")
    for failure in total.failures[:30]:
        print("FAILED", *failure)
    if total.failures:
        keep_failures(total.failures, arguments.seed, arguments.keep)
    print(f"{total.n_inputs} inputs, {len(total.failures)} failures")
    return 1 if total.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
