"""Irregular series as real files, and what the whole intake makes of each.

Every case is one series (two where that is said). What is expected is written as
"slices of each volume used | code of each refusal".
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID

from tests.frame_makers import a_mosaic, an_enhanced, nested
from tests.makers import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    Series,
    a_slice,
    a_uid,
    save_dicom,
    set_or_delete,
    set_pixels,
)
from tests.unit.ingest.makers import KEYED, RULES, take_in
from voxray.core.findings import Action, FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.specs import ChannelRules, IntakeRules
from voxray.scan_io import read_volume

MR = Series(n_slices=8, rows=10, columns=12)
CT = replace(MR, modality="CT", slope=1, intercept=-1024)
SCOUT = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
TIMES = range(3)


def slices(series: Series = MR, uid: Any = "", **changes: Any) -> list[Dataset]:
    """A data set per slice, of other UIDs if `uid` is given."""
    made = [a_slice(series, k) for k in range(len(series.stored()))]
    for k, dataset in enumerate(made):
        if uid:
            dataset.SOPInstanceUID = a_uid(uid, k)
    return changed(made, **changes)


def changed(datasets: list[Dataset], **changes: Any) -> list[Dataset]:
    for dataset in datasets:
        for keyword, value in changes.items():
            set_or_delete(dataset, keyword, value)
    return datasets


def other(seed: int, **changes: Any) -> Series:
    """The series with other pixels."""
    return replace(MR, seed=seed, **changes)


def without(datasets: list[Dataset], *numbers: int) -> list[Dataset]:
    return [d for k, d in enumerate(datasets) if k not in numbers]


def with_one(datasets: list[Dataset], k: int, **changes: Any) -> list[Dataset]:
    changed(datasets[k : k + 1], **changes)
    return datasets


def numbered(datasets: Iterable[Dataset]) -> list[Dataset]:
    """Instance numbers from 1 in this order."""
    datasets = list(datasets)
    for number, dataset in enumerate(datasets, start=1):
        dataset.InstanceNumber = number
    return datasets


def at(levels_mm: Iterable[float], series: Series = MR) -> list[Dataset]:
    """Slices at these heights."""
    made = slices(series)
    for dataset, z_mm in zip(made, levels_mm, strict=False):
        dataset.ImagePositionPatient = [0, 0, z_mm]
    return made


def leaning(mm_per_slice: float) -> list[Dataset]:
    made = slices(CT)
    for k, dataset in enumerate(made):
        dataset.ImagePositionPatient = [0, mm_per_slice * k, 2.0 * k]
    return made


def in_planes(n_slices: int, **changes: Any) -> list[Dataset]:
    return [
        dataset
        for n, plane in enumerate((AXIAL, CORONAL, SAGITTAL))
        for dataset in slices(
            other(n, n_slices=n_slices, orientation=plane), uid=n + 1, **changes
        )
    ]


def times(keyword: str, *values: Any, **series: Any) -> list[Dataset]:
    """One volume per value."""
    return [
        dataset
        for n, value in enumerate(values)
        for dataset in slices(other(n, **series), uid=n + 1, **{keyword: value})
    ]


def alternating(keyword: str, *values: Any) -> list[Dataset]:
    made = slices()
    for k, dataset in enumerate(made):
        setattr(dataset, keyword, values[k % len(values)])
    return made


def dixon() -> list[Dataset]:
    kinds = {"W": 2.4, "F": 2.4, "IP": 2.4, "OP": 1.2}
    return [
        dataset
        for n, (kind, echo_ms) in enumerate(kinds.items())
        for dataset in slices(
            other(n), kind, EchoTime=echo_ms, ImageType=["DERIVED", "PRIMARY", kind]
        )
    ]


def doubled(k: int, *, changed_pixels: bool = False) -> list[Dataset]:
    made = slices()
    again = copy.deepcopy(made[k])
    again.SOPInstanceUID = a_uid("again")
    if changed_pixels:
        set_pixels(again, again.pixel_array + 1)
    return [*made, again]


def moved(shift_mm: float, keyword: str) -> list[Dataset]:
    """Three times, each a little further."""
    return [
        dataset
        for n in TIMES
        for dataset in slices(
            other(n, origin_lps_mm=(0, 0, shift_mm * n)), n + 1, **{keyword: n + 1}
        )
    ]


def mosaics(shift_mm: float = 0.0) -> list[Dataset]:
    made = [a_mosaic(other(n, origin_lps_mm=(0.0, 0.0, shift_mm * n))) for n in TIMES]
    for n, dataset in enumerate(numbered(made)):
        dataset.SOPInstanceUID = a_uid("mosaic", n)
    return made


def placed(dataset: Dataset, *points_mm: tuple[float, float, float]) -> Dataset:
    """The enhanced file with its frames at these places."""
    frames = dataset.PerFrameFunctionalGroupsSequence
    for frame, point in zip(frames, points_mm, strict=True):
        frame.PlanePositionSequence[0].ImagePositionPatient = list(point)
    return dataset


def in_stacks() -> Dataset:
    named = [nested("FrameContentSequence", StackID=str(k // 4)) for k in range(8)]
    places = [(0.0, 0.0, 2.0 * k + 100 * (k // 4)) for k in range(8)]
    return placed(an_enhanced(MR, named), *places)


def a_screenshot() -> Dataset:
    dataset = a_slice(replace(CT, rows=30), 0)
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = a_uid("screenshot")
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient
    return dataset


def scouts() -> list[Dataset]:
    return slices(replace(CT, n_slices=2, rows=16, orientation=CORONAL), "scout")


PET = replace(MR, modality="PT")
CASES: dict[str, tuple[Callable[[], list[Dataset]], str]] = {
    "plain": (slices, "8|"),
    "two slices": (lambda: slices()[:2], "2|"),
    "one slice": (lambda: slices()[:1], "|single-slice"),
    "names in reverse": (lambda: slices()[::-1], "8|"),
    "slices thicker than steps": (lambda: slices(SliceThickness=5.0), "8|"),
    "two echoes": (lambda: times("EchoTime", 10.0, 80.0), "8 8|"),
    "second echo short": (
        lambda: times("EchoTime", 10.0, 80.0)[:-3],
        "8|missing-slice",
    ),
    "second echo with a gap": (
        lambda: without(times("EchoTime", 10.0, 80.0), 11),
        "8|missing-slice",
    ),
    "three b-values": (lambda: times("DiffusionBValue", 0.0, 500.0, 1000.0), "8 8 8|"),
    "times that are stated": (
        lambda: changed(
            numbered(times("EchoTime", None, None)), NumberOfTemporalPositions=2
        ),
        "8 8|",
    ),
    "times that nothing states": (
        lambda: numbered(times("EchoTime", None, None)),
        "|conflicting-slices",
    ),
    "last time broken off": (
        lambda: times("TemporalPositionIdentifier", 1, 2, 3)[:-6],
        "8 8|missing-slice",
    ),
    "times that drift": (lambda: moved(0.03, "TemporalPositionIdentifier"), "8 8 8|"),
    "acquisitions that moved": (lambda: moved(0.5, "AcquisitionNumber"), "8 8 8|"),
    "times that drift and say nothing": (
        lambda: moved(0.03, "InstanceNumber"),
        "|uneven-spacing",
    ),
    "Dixon": (dixon, "8 8 8 8|"),
    "two phases": (lambda: times("AcquisitionNumber", 1, 2), "8 8|"),
    "acquisitions one after another": (
        lambda: [
            *slices(AcquisitionNumber=1),
            *slices(other(1, origin_lps_mm=(0, 0, 16)), "b", AcquisitionNumber=2),
        ],
        "16|",
    ),
    "slabs that share a place": (
        lambda: [
            *slices(AcquisitionNumber=1),
            *slices(other(1, origin_lps_mm=(0, 0, 14)), "b", AcquisitionNumber=2),
        ],
        "|conflicting-slices",
    ),
    "interleaved acquisitions": (lambda: alternating("AcquisitionNumber", 1, 2), "8|"),
    "interleaved echoes": (lambda: alternating("EchoTime", 10.0, 80.0), "4 4|"),
    "one slice of another echo": (
        lambda: with_one(slices(EchoTime=10.0), 3, EchoTime=80.0),
        "|conflicting-slices",
    ),
    "one slice of another space": (
        lambda: with_one(slices(), 3, FrameOfReferenceUID="1.2.3"),
        "|conflicting-slices",
    ),
    "one series UID for two series": (
        lambda: [
            *slices(SeriesNumber=1),
            *slices(other(1, origin_lps_mm=(0, 0, 1)), "b", SeriesNumber=2),
        ],
        "8 8|",
    ),
    "scout in a series": (
        lambda: [*slices(CT), *changed(scouts(), ImageType=SCOUT)],
        "8|localizer",
    ),
    "scout that does not say so": (
        lambda: [*slices(CT), *scouts()],
        "|mixed-orientation",
    ),
    "localizer of three planes": (
        lambda: in_planes(1, ImageType=SCOUT),
        "|localizer",
    ),
    "localizer by name": (
        lambda: in_planes(1, SeriesDescription="3-plane survey"),
        "|localizer",
    ),
    "three planes of five": (lambda: in_planes(5), "5 5 5|"),
    "gap": (lambda: without(slices(), 3), "|missing-slice"),
    "end cut off": (lambda: slices()[:-2], "6|"),
    "end cut off, count stated": (
        lambda: slices(ImagesInAcquisition=8)[:-2],
        "|missing-slice",
    ),
    "PET of a stated number": (lambda: slices(PET, NumberOfSlices=8), "8|"),
    "PET with fewer": (lambda: slices(PET, NumberOfSlices=8)[:6], "|missing-slice"),
    "every second": (
        lambda: slices(SpacingBetweenSlices=2.0)[::2],
        "|missing-slice",
    ),
    "every second, by thickness": (lambda: slices()[::2], "|missing-slice"),
    "spacing that contradicts": (lambda: slices(SpacingBetweenSlices=3.3), "8|"),
    "copy of a slice": (lambda: doubled(2), "8|"),
    "copy of all": (lambda: [*slices(), *slices()], "8|"),
    "one place, two images": (
        lambda: doubled(2, changed_pixels=True),
        "|conflicting-slices",
    ),
    "all at one place": (
        lambda: slices(ImagePositionPatient=[0, 0, 0]),
        "|conflicting-slices",
    ),
    "uneven": (lambda: at([0, 2, 4, 6, 8, 10.7, 12, 14]), "|uneven-spacing"),
    "two spacings": (lambda: at([0, 5, 10, 15, 20, 30, 40, 50]), "|missing-slice"),
    "gap of very thin slices": (
        lambda: without(slices(replace(MR, spacing_mm=(0.05, 0.05, 0.04))), 3),
        "|missing-slice",
    ),
    "tilted gantry": (lambda: leaning(0.5), "8|"),
    "leaning beyond any gantry": (lambda: leaning(7), "|missing-geometry"),
    "one slice shifted": (
        lambda: with_one(slices(), 3, ImagePositionPatient=[2, 0, 6]),
        "|shifted-slice",
    ),
    "one slice turned": (
        lambda: with_one(
            slices(), 3, ImageOrientationPatient=[1, 0, 0, 0, 0.9998, 0.02]
        ),
        "|mixed-orientation",
    ),
    "one slice without place": (
        lambda: with_one(slices(), 3, ImagePositionPatient=None),
        "|missing-geometry",
    ),
    "no pixel spacing": (lambda: slices(PixelSpacing=None), "|missing-geometry"),
    "no direction": (
        lambda: slices(ImageOrientationPatient=[0] * 6),
        "|missing-geometry",
    ),
    "two patients": (
        lambda: with_one(slices(), 3, PatientID="other"),
        "|mixed-patients",
    ),
    "screenshot in a series": (
        lambda: [*slices(CT), a_screenshot()],
        "|unsupported-image",
    ),
    "enhanced": (lambda: [an_enhanced(MR)], "8|"),
    "enhanced, frames mixed": (
        lambda: [an_enhanced(MR, order=[3, 0, 7, 1, 6, 2, 5, 4])],
        "8|",
    ),
    "enhanced, copied": (lambda: [an_enhanced(MR)] * 2, "8|"),
    "enhanced with a gap": (
        lambda: [an_enhanced(MR, order=[0, 1, 2, 4, 5, 6, 7])],
        "|missing-slice",
    ),
    "enhanced in two stacks": (lambda: [in_stacks()], "4 4|"),
    "enhanced, more frames described than held": (
        lambda: changed([an_enhanced(MR)], NumberOfFrames=7),
        "|unsupported-image",
    ),
    "mosaics": (mosaics, "8 8 8|"),
    "mosaics that moved": (lambda: mosaics(0.5), "8 8 8|"),
    "mosaic, copied": (lambda: [a_mosaic(MR)] * 2, "8|"),
    "mosaic that lost its private header": (
        lambda: without_csa(a_mosaic(MR)),
        "|unsupported-image",
    ),
}


def without_csa(dataset: Dataset) -> list[Dataset]:
    del dataset[0x0029, 0x1010]
    return [dataset]


def write(folder: Path, datasets: Iterable[Dataset]) -> Path:
    for number, dataset in enumerate(datasets):
        save_dicom(dataset, folder / "series" / f"{number:03d}.dcm")
    return folder


@pytest.mark.parametrize("case", CASES)
def test_each_irregular_series_is_used_or_refused_as_told(
    case: str, tmp_path: Path
) -> None:
    make, expected = CASES[case]

    intake = take_in(write(tmp_path, make()), KEYED)

    depths = " ".join(str(record.grid.shape[2]) for record in intake.records)
    refused = " ".join(sorted({row.code.value for row in intake.quarantine}))
    assert f"{depths}|{refused}" == expected


def ramp(grid: VoxelGrid) -> Any:
    """Values that are linear in space; they stay so after any move of the grid."""
    indexes = np.moveaxis(np.indices(grid.shape), 0, -1)
    points = indexes @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return 1000 + points @ [2, 4, 8]


def ramped(datasets: list[Dataset]) -> list[Dataset]:
    for dataset in datasets:
        x, y, z = (float(v) for v in dataset.ImagePositionPatient)
        rows, columns = np.indices((dataset.Rows, dataset.Columns))
        plane = 1000 - 2 * (x + columns) - 4 * (y + rows) + 8 * z
        set_pixels(dataset, np.round(plane).astype(np.int16))
        set_or_delete(dataset, "RescaleIntercept", None)
    return datasets


def the_volume(
    folder: Path, datasets: list[Dataset], **policy: Action
) -> tuple[Any, VoxelGrid]:
    rules = RULES.model_copy(
        update={"policy": {FindingCode(c): a for c, a in policy.items()}}
    )
    intake = take_in(write(folder, datasets), KEYED, rules=rules)
    (source,) = intake.sources.values()
    volume = read_volume(source)
    return volume.voxels, volume.grid


def test_voxels_of_a_tilted_series_are_where_they_were(tmp_path: Path) -> None:
    voxels, grid = the_volume(tmp_path, ramped(leaning(0.5)))

    inside = voxels != voxels.min()
    np.testing.assert_allclose(voxels[inside], ramp(grid)[inside], atol=1e-3)
    assert inside.mean() > 0.6


def test_uneven_series_that_the_policy_repairs_has_even_steps(tmp_path: Path) -> None:
    policy: Any = {"uneven-spacing": Action.REPAIR}

    voxels, grid = the_volume(
        tmp_path, ramped(at([0, 2, 4, 6, 8, 10.75, 12, 14])), **policy
    )

    assert grid.spacing_mm.k == pytest.approx(2)
    np.testing.assert_allclose(voxels, ramp(grid), atol=1e-3)


def test_each_time_of_mixed_frames_is_a_volume_of_its_own(tmp_path: Path) -> None:
    order = [k + 4 * t for k in range(4) for t in range(2)]
    told = [
        nested("FrameContentSequence", TemporalPositionIndex=n // 4 + 1) for n in order
    ]
    places = [(0.0, 0.0, 2.0 * (n % 4)) for n in order]
    write(tmp_path, [placed(an_enhanced(MR, told, order), *places)])

    intake = take_in(tmp_path, KEYED)

    stored = MR.stored().T
    found = {
        record.findings[0].detail[:13]: read_volume(intake.sources[record.scan_id])
        for record in intake.records
    }
    np.testing.assert_array_equal(found["volume 1 of 2"].voxels, stored[..., :4])
    np.testing.assert_array_equal(found["volume 2 of 2"].voxels, stored[..., 4:])


@pytest.mark.parametrize("name", ["1.2.3", None])
def test_two_exports_of_a_radiograph_are_a_scan_and_its_copy(
    tmp_path: Path, name: str | None
) -> None:
    film = replace(MR, modality="CR", n_slices=1)
    for folder in ("a", "b"):
        (dataset,) = slices(film, ImagePositionPatient=None, SOPInstanceUID=name)
        dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
        save_dicom(dataset, tmp_path / folder / "image")

    intake = take_in(tmp_path, KEYED, patient="dicom")

    assert [r.path.as_posix() for r in intake.records] == ["a/image"]
    assert [(q.path.as_posix(), q.code.value) for q in intake.quarantine] == [
        ("b/image", "copy-of")
    ]


REPAIRED = RULES.model_copy(
    update={"policy": {FindingCode.MISSING_SLICE: Action.REPAIR}}
)


@pytest.mark.parametrize(
    "datasets",
    [
        lambda: slices(ImagesInAcquisition=8)[:6],
        lambda: slices()[::2],
        lambda: without(slices(ImagesInAcquisition=8)[:7], 3),
    ],
    ids=["end", "every second", "end and gap"],
)
def test_slices_without_neighbours_are_not_called_repaired(
    tmp_path: Path, datasets: Callable[[], list[Dataset]]
) -> None:
    write(tmp_path, datasets())

    intake = take_in(tmp_path, rules=REPAIRED)

    assert not intake.records
    assert [q.code for q in intake.quarantine] == [FindingCode.MISSING_SLICE]


def test_gap_that_accounts_for_the_stated_count_is_repaired(tmp_path: Path) -> None:
    write(tmp_path, without(slices(ImagesInAcquisition=8), 3))

    (record,) = take_in(tmp_path, rules=REPAIRED).records

    assert record.grid.shape[2] == 8


def test_echo_with_fewer_slices_is_refused_or_signed_for_in_order(
    tmp_path: Path,
) -> None:
    one = slices(EchoNumbers=1)
    two = without(slices(other(1), uid="two", EchoNumbers=2), 3)
    write(tmp_path / "scans", [*one, *reversed(two)])
    signed = tmp_path / "overrides.csv"

    (refused,) = take_in(tmp_path / "scans", rules=REPAIRED).quarantine
    line = f"{refused.scan_id},missing-slice,me,outside the lesion"
    signed.write_text(f"scan,code,who,why\n{line}\n", encoding="utf-8")
    used = take_in(tmp_path / "scans", overrides=signed).records

    assert "7 slices, where a volume" in refused.detail
    assert sorted(record.grid.shape[2] for record in used) == [8, 8]


def test_series_that_was_exported_twice_has_its_slices_once_for_the_rules(
    tmp_path: Path,
) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder, slices())
    rules = IntakeRules(channels={"image": ChannelRules(n_slices=(6, 10))})

    (record,) = take_in(tmp_path, rules=rules).records

    assert record.grid.shape[2] == 8


@pytest.mark.parametrize("pixel_mm", [1e9, 1e-9])
def test_pixels_of_an_impossible_size_are_missing_geometry(
    tmp_path: Path, pixel_mm: float
) -> None:
    write(tmp_path, slices(PixelSpacing=[pixel_mm, pixel_mm]))

    (row,) = take_in(tmp_path).quarantine

    assert row.code is FindingCode.MISSING_GEOMETRY
