"""What an intake costs: the whole index, headers alone, a second look, and memory.

    pytest -m bench -s tests/benchmarks/test_intake_speed.py
    python -m tests.benchmarks.test_intake_speed 5000 50000 [FOLDER]

The first number is how many files of 256 x 256 voxels are indexed with their pixels,
the second how many of 64 x 64 are looked at twice. Files are generated, each with its
own UIDs, with headers of about 60 and 150 elements. They are read once before the clock
starts, so that every reader finds them in the memory of the system. Wall time. The
plain loop is what a person writes with pydicom: read, pixel_array, rescale, hash.
Memory is what voxray and its workers hold at most, pages they share counted once.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from tests.benchmarks.test_header_speed import a_typical_slice

from voxray.core.ids import Pseudonymizer
from voxray.core.progress import ignore_progress
from voxray.core.specs import ChannelRules, IntakeRules
from voxray.ingest import INDEX_FILE, IntakeOptions, ingest_folder, write_intake
from voxray.ingest.headers import read_headers
from voxray.ingest.index import Index
from voxray.ingest.walk import walk_folder
from voxray.manifest import write_manifest

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

WORKERS = 2
SLICES = 200
WANTED_INDEX, WANTED_HEADERS, WANTED_AGAIN = 1.7, 3.0, 30.0
MOST_GROWTH = 3.0
"""Times the peak memory of 5,000 files that 50,000 may take."""
_UID = "2.25.10000000000000000000000"


def a_template(size, n_private):
    """Bytes of a file, and where in them its pixels begin."""
    dataset = a_typical_slice(0, n_private)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{_UID}1"
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = f"{_UID}2", f"{_UID}3"
    dataset.FrameOfReferenceUID, dataset.PatientID = f"{_UID}4", "P0000000"
    dataset["ImagePositionPatient"].value = ["-170.5", "-170.5", "00000.00"]
    dataset.SliceThickness = "1.25"
    dataset["InstanceNumber"].value = "00000"
    dataset.Rows = dataset.Columns = size
    dataset.PixelData = bytes(2 * size * size)
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        dataset.save_as(file.name, enforce_file_format=True)
        content = Path(file.name).read_bytes()
    return content, len(content) - 2 * size * size


def a_slice_of(template, series, k, plane):
    content, pixels_at = template
    head = content[:pixels_at]
    uids = {1: series * 100_000 + k, 2: series, 3: series // 4, 4: series // 4}
    for kind, number in uids.items():
        old = f"{_UID}{kind}".encode()
        new = f"2.25.{kind}{number:023d}".encode()
        assert len(old) == len(new)
        head = head.replace(old, new)
    head = head.replace(b"P0000000", b"P%07d" % (series // 4))
    head = head.replace(b"00000.00", b"%08.2f" % (1.25 * k))
    return head.replace(b"00000 ", b"%05d " % (k + 1)) + plane.tobytes()


def write_files(folder, n_files, size):
    """Series of 200 slices; a study has four."""
    rng = np.random.default_rng(n_files)
    templates = [a_template(size, 10), a_template(size, 90)]
    noise = rng.integers(0, 1000, (64, size, size), np.int16)
    for number in range(n_files):
        series, k = divmod(number, SLICES)
        place = folder / f"study{series // 4:05d}" / f"series{series:06d}"
        if k == 0:
            place.mkdir(parents=True)
        plane = noise[number % 64] + np.int16(series % 1000 + k)
        content = a_slice_of(templates[series % 2], series, k, plane)
        (place / f"IM{k:05d}").write_bytes(content)
    return folder


def touch(folder):
    for file in sorted(folder.rglob("IM*")):
        file.read_bytes()


def timed_s(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def plain_index(folder):
    """What is read by the usual loop: values of every slice, and a hash of them."""
    digests: dict[str, Any] = {}
    for file in sorted(folder.rglob("IM*")):
        dataset = pydicom.dcmread(file)
        values = dataset.pixel_array * float(dataset.RescaleSlope)
        values = (values + float(dataset.RescaleIntercept)).astype(np.float32)
        digest = digests.setdefault(dataset.SeriesInstanceUID, hashlib.sha256())
        digest.update(values.tobytes())
    return digests


def plain_headers(folder):
    return [
        pydicom.dcmread(file, stop_before_pixels=True)
        for file in sorted(folder.rglob("IM*"))
    ]


def our_headers(folder):
    files = walk_folder(folder, "scans")
    return read_headers(folder, files, WORKERS, ignore_progress, Index(None))


def our_index(folder, out, workers=WORKERS):
    """All that `voxray ingest` does but the page of pictures."""
    rules = IntakeRules(channels={"image": ChannelRules()})
    index = out / INDEX_FILE
    options = IntakeOptions(scans=folder, rules=rules, workers=workers, index=index)
    intake = ingest_folder(options, Pseudonymizer(b"k" * 32))
    assert len(intake.records) == -(-len(intake.files) // SLICES)
    write_intake(intake, out)
    write_manifest(intake.records, out / "manifest.csv")


def command(folder, out):
    """`voxray ingest` in a process of its own: its wall time and peak memory."""
    arguments = [sys.executable, "-m", "voxray", "ingest", str(folder)]
    arguments += ["--out", str(out), "--workers", str(WORKERS)]
    began = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    peak = [0]
    watch = threading.Thread(target=_watch, args=(process, peak))
    watch.start()
    assert process.wait() == 0
    seconds = time.perf_counter() - began
    watch.join()
    return seconds, peak[0] / 1e6


def _watch(process, peak):
    while process.poll() is None:
        peak[0] = max(peak[0], _memory_bytes(process.pid))
        time.sleep(0.1)


def _memory_bytes(pid):
    """Resident memory of a process and all below it, its share of shared pages."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [c for t in tasks for c in (t / "children").read_text().split()]
    except OSError:
        return 0
    lines = (line.split() for line in rollup.splitlines())
    own = next((1024 * int(x[1]) for x in lines if x[0] == "Pss:"), 0)
    return own + sum(_memory_bytes(child) for child in children)


def measure_index(folder, n_files):
    scans = write_files(folder / "scans", n_files, 256)
    touch(scans)
    headers = timed_s(lambda: plain_headers(scans)), timed_s(lambda: our_headers(scans))
    whole = (
        timed_s(lambda: plain_index(scans)),
        timed_s(lambda: our_index(scans, folder / "out")),
    )
    for name, (theirs, ours) in (("headers", headers), ("with pixels", whole)):
        print(
            f"{name}, {n_files} files of 256 x 256: pydicom loop {theirs:.1f} s, "
            f"voxray {ours:.1f} s with {WORKERS} workers, ratio {theirs / ours:.2f}"
        )
    return headers[0] / headers[1], whole[0] / whole[1]


def measure_again(folder, n_files):
    scans = write_files(folder / "scans", n_files, 64)
    touch(scans)
    first_s, peak_mb = command(scans, folder / "out")
    again_s, _ = command(scans, folder / "out")
    next(scans.rglob("IM00003")).touch()
    changed_s, _ = command(scans, folder / "out")
    print(
        f"{n_files} files of 64 x 64: first {first_s:.1f} s, "
        f"unchanged {again_s:.2f} s, ratio {first_s / again_s:.1f}; "
        f"one file changed {changed_s:.1f} s; "
        f"peak memory {peak_mb:.0f} MB"
    )
    return first_s / again_s, peak_mb


def test_index_with_pixels_and_headers_beat_the_plain_loop(tmp_path):
    headers, whole = measure_index(tmp_path, 5000)

    assert headers >= WANTED_HEADERS
    assert whole >= WANTED_INDEX


def test_second_look_costs_little_and_memory_stays_bounded(tmp_path):
    _, small_mb = measure_again(tmp_path / "small", 5000)
    ratio, large_mb = measure_again(tmp_path / "large", 50_000)

    assert ratio >= WANTED_AGAIN
    assert large_mb <= MOST_GROWTH * small_mb


if __name__ == "__main__":
    n_index, n_again = map(int, sys.argv[1:3])
    top = Path(tempfile.mkdtemp(dir=sys.argv[3] if sys.argv[3:] else None))
    try:
        measure_index(top / "index", n_index)
        for number in sorted({n_again // 10, n_again}):
            measure_again(top / f"again{number}", number)
    finally:
        shutil.rmtree(top)
