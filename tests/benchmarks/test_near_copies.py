"""How often near copies are found, and other people taken for them.

    pytest -m bench -s tests/benchmarks/test_near_copies.py

Needs VOXRAY_SHARED_DATA. All pairs of each data set are compared; then up to 200 of its
images are saved again in eleven ways, each compared with its original. Also: how often
text is suspected in images with and without it, and what 10,000 scans cost.
"""

import io
import os
import time
from collections import Counter
from pathlib import Path, PurePosixPath

import nibabel as nib
import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from voxray.core.geometry import VoxelGrid
from voxray.core.records import ExamId, PatientId, ScanId, ScanRecord, Sha256
from voxray.ingest.burned_in import text_lines
from voxray.ingest.looks import look_at, slice_ranges
from voxray.ingest.near_copies import find_near_copies

_BICUBIC = Image.Resampling.BICUBIC
pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

VOLUMES = ("hippocampus", "lidc_nodules")
SETS = (*VOLUMES, "breastmnist", "pneumoniamnist", "adrenalmnist3d")
FONT = str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")
N_COPIED = 200


@pytest.fixture(scope="module")
def data():
    if "VOXRAY_SHARED_DATA" not in os.environ:
        pytest.skip("needs VOXRAY_SHARED_DATA, the folder of real data")
    return Path(os.environ["VOXRAY_SHARED_DATA"])


def images(data, name):
    """(name, voxels nearest RAS, spacing) of every image of a set."""
    if name in VOLUMES:
        for path in sorted((data / name / "images").glob("*.nii.gz")):
            image = nib.as_closest_canonical(nib.load(path))
            yield path.name, np.asanyarray(image.dataobj), image.header.get_zooms()[:3]
        return
    arrays = np.load(data / "medmnist" / f"{name}_trainval.npz")
    for part in ("train", "val"):
        for n, voxels in enumerate(arrays[f"{part}_images"]):
            volume = voxels if voxels.ndim == 3 else voxels[..., None]
            yield f"{part}{n}", volume, (1.0, 1.0, 1.0)


def a_look(voxels, spacing_mm=(1.0, 1.0, 1.0)):
    affine = np.diag([*map(float, spacing_mm), 1.0])
    grid = VoxelGrid.from_affine("x", voxels.shape, affine)
    stored = np.asfortranarray(voxels, dtype=np.float32)
    return look_at(stored, grid, slice_ranges(stored))


def a_record(name, shape):
    return ScanRecord(
        ExamId(name), ScanId(name), "image", PatientId(name), name, "",
        PurePosixPath(name), None, VoxelGrid(shape, np.eye(4)), Sha256(name),
    )  # fmt: skip


def compared(looks, shapes):
    records = [a_record(name, shapes[name]) for name in looks]
    return find_near_copies(records, looks, {name: name for name in looks})


def as_bytes(voxels):
    low, high = np.percentile(voxels, [0.1, 99.9])
    scaled = (voxels - low) / max(high - low, 1e-6) * 255
    return np.clip(scaled, 0, 255).round().astype(np.uint8)


def as_jpeg(voxels, quality):
    planes = []
    for plane in np.moveaxis(as_bytes(voxels), 2, 0):
        stream = io.BytesIO()
        Image.fromarray(plane).save(stream, "JPEG", quality=quality)
        planes.append(np.asarray(Image.open(stream)))
    return np.stack(planes, axis=2)


def cropped(voxels, axes, rng):
    steps = [slice(None)] * 3
    for axis in axes:
        steps[axis] = slice(1, None) if rng.random() < 0.5 else slice(None, -1)
    return voxels[tuple(steps)]


def zoomed(voxels, factor):
    factors = [factor if n > 3 else 1 for n in voxels.shape]
    return ndimage.zoom(voxels, factors, order=1, grid_mode=True, mode="nearest")


def saved_again(voxels, rng):
    voxels = voxels.astype(np.float32)
    axes = [axis for axis, n in enumerate(voxels.shape) if n > 4]
    spread = np.ptp(np.percentile(voxels, [0.1, 99.9]))
    yield "scaled to 8 bits", as_bytes(voxels)
    yield "rounded to 50 levels", (voxels / spread * 50).round()
    yield "another unit", voxels * 3.7 + 11
    yield "JPEG, quality 75", as_jpeg(voxels, 75)
    yield "JPEG, quality 30", as_jpeg(voxels, 30)
    yield "cropped by a voxel, one axis", cropped(voxels, [rng.choice(axes)], rng)
    yield "cropped by a voxel, all axes", cropped(voxels, axes, rng)
    for factor in (0.5, 0.8, 1.3, 2.0):
        yield f"resampled to {factor:.0%} of the voxels", zoomed(voxels, factor)


@pytest.mark.parametrize("name", SETS)
def test_near_copies(data, name):
    rng = np.random.default_rng(0)
    found = list(images(data, name))
    looks = {ScanId(n): a_look(v, mm) for n, v, mm in found}
    voxels = {n: v for n, v, _ in found}
    pairs = compared(looks, {n: v.shape for n, v in voxels.items()})
    both = [(voxels[p.scan_id], voxels[p.other_scan_id]) for p in pairs]
    equal = sum(np.array_equal(one, other) for one, other in both)
    n_pairs = len(found) * (len(found) - 1) // 2
    print(
        f"\n{name}: {n_pairs:,} pairs of {len(found):,} images, {len(pairs)} listed, "
        f"{equal} of them equal pixel by pixel"
    )
    if name != "breastmnist":  # in which copies stand
        assert len(pairs) == equal
    hits: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    for index in rng.permutation(len(found))[:N_COPIED]:
        original, image, _ = found[index]
        for kind, copy in saved_again(image, rng):
            tried[kind] += 1
            pair = {ScanId("a"): looks[original], ScanId("b"): a_look(copy)}
            shapes = {"a": image.shape, "b": copy.shape}
            hits[kind] += bool(compared(pair, shapes))
    for kind, n in tried.items():
        print(f"  {kind:34} {hits[kind]:4} of {n}  {hits[kind] / n:.0%}")
    assert min(hits[kind] / tried[kind] for kind in list(tried)[:5]) >= 0.98


def test_ten_thousand_scans():
    rng = np.random.default_rng(0)
    body = ndimage.gaussian_filter(rng.normal(size=(20, 20, 20)), 2)
    noise = rng.normal(0, body.std() / 2, (10_000, *body.shape)).astype(np.float32)
    looks = {ScanId(str(n)): a_look(body + more) for n, more in enumerate(noise)}
    started = time.perf_counter()
    pairs = compared(looks, dict.fromkeys(looks, (20, 20, 20)))
    print(f"\n10,000 scans: {time.perf_counter() - started:.1f} s, {len(pairs)} pairs")


def with_text(plane, size, grey):
    image = Image.fromarray(plane)
    font = ImageFont.truetype(FONT, size)
    ImageDraw.Draw(image).text((8, 6), "DOE^JANE 1980-02-01 ID 4711", grey, font)
    return np.asarray(image)


@pytest.mark.parametrize("name", ["breastmnist", "pneumoniamnist"])
def test_burned_in_text(data, name):
    planes = [
        np.asarray(Image.fromarray(v[..., 0]).resize((512, 512), _BICUBIC))
        for _, v, _ in list(images(data, name))[:300]
    ]
    suspected = sum(bool(text_lines(p.astype(np.float32))) for p in planes)
    print(f"\n{name} at 512 x 512: text suspected in {suspected} of {len(planes)}")
    assert suspected <= 3
    for size in (8, 10, 14, 24, 32):
        rates = [
            np.mean([
                bool(text_lines(with_text(p, size, grey).astype(np.float32)))
                for p in planes[:100]
            ])
            for grey in (255, 180)
        ]  # fmt: skip
        print(f"  text of {size:2} pixels: white {rates[0]:.0%}, grey {rates[1]:.0%}")
