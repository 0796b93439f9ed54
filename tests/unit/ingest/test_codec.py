from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.ingest.makers import a_header
from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.records import FileFormat, Finding, ScanId, ScanSource
from voxray.ingest.codec import Codec
from voxray.ingest.headers import FileFacts
from voxray.ingest.pixels import PixelFacts, PixelTask
from voxray.scan_io import FileKind
from voxray.scan_io.dicom.frames import FrameHeader


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Anything:
    text: str | None = None
    number: int | float | None = None
    colour: Colour | None = None
    path: PurePosixPath | None = None
    pair: tuple[int, str] = (1, "x")
    nested: tuple[tuple[float, ...], ...] = ()
    table: Mapping[str, Finding] = field(default_factory=dict)
    few: frozenset[int] | None = None
    scan_id: ScanId | None = None


FINDING = Finding(FindingCode.TRUNCATED_FILE, "x")


@pytest.mark.parametrize(
    "value",
    [
        Anything(),
        Anything(
            text="é\n\udcff",
            number=1.5,
            path=PurePosixPath("a/b"),
            colour=Colour.RED,
            pair=(2, "y"),
        ),
        Anything(nested=((1.0, float("inf")), ()), table={"b": FINDING, "a": FINDING}),
        Anything(few=frozenset({3, 1}), scan_id=ScanId("s-1")),
    ],
)
def test_record_comes_back_as_it_was(value: Anything) -> None:
    codec = Codec(Anything)
    assert codec.from_text(codec.to_text(value)) == value


def test_whole_numbers_stay_whole_beside_equal_ones_that_are_not() -> None:
    codec = Codec(FileFacts)
    header = a_header(pixel_spacing_mm=(3.0, 3.0), padding=(3, 3))

    back = codec.from_text(codec.to_text(FileFacts(FileKind.DICOM, header))).header

    assert back is not None
    assert repr((back.pixel_spacing_mm, back.padding)) == "((3.0, 3.0), (3, 3))"


def test_array_comes_back_with_type_and_shape() -> None:
    @dataclass(frozen=True)
    class Holder:
        counts: NDArray[np.uint16]

    globals()["Holder"] = Holder
    codec = Codec(Holder)

    back = codec.from_text(codec.to_text(Holder(np.arange(6, dtype=np.uint16))))

    assert back.counts.dtype == np.uint16
    np.testing.assert_array_equal(back.counts, np.arange(6))


def test_facts_of_files_come_back_as_they_were() -> None:
    frames = (FrameHeader(0, (0.0, 1.0, 2.5), echo_time_ms=3.0), FrameHeader(1))
    header = a_header(3.5, frames=frames, burned_in_annotation=False)
    codec = Codec(FileFacts)
    facts = FileFacts(FileKind.DICOM, header, FINDING, (FINDING,), listed=("A/1",))

    assert codec.from_text(codec.to_text(facts)) == facts


def test_facts_of_voxels_come_back_as_they_were() -> None:
    grid = VoxelGrid.from_affine("s", (2, 3, 4), np.diag([1, 2, 3, 1]))
    plain: dict[str, Any] = {"grid": grid, "sha256": "ab", "findings": (FINDING,)}
    given = {f.name: plain[f.name] for f in fields(PixelFacts) if f.name in plain}
    codec = Codec(PixelFacts)

    back = codec.from_text(codec.to_text(PixelFacts(**given)))

    assert back.grid is not None
    assert back.grid.matches(grid, 0)
    assert (back.sha256, back.findings) == ("ab", (FINDING,))


def test_equal_records_have_equal_text_and_the_order_of_a_mapping_counts() -> None:
    some, same = (
        Anything(few=frozenset({70, 9, 1})),
        Anything(few=frozenset({9, 1, 70})),
    )
    ab, ba = (dict.fromkeys(keys, FINDING) for keys in ("ab", "ba"))
    codec = Codec(Anything)

    assert codec.to_text(some) == codec.to_text(same)
    assert codec.to_text(Anything(table=ab)) != codec.to_text(Anything(table=ba))


def test_task_of_reading_voxels_can_be_carried() -> None:
    source = ScanSource(ScanId("s"), FileFormat.DICOM, (Path("/a/1"),))
    codec = Codec(PixelTask)
    assert codec.from_text(codec.to_text(PixelTask(source))) == PixelTask(source)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "[1,2", '["a"]'])
def test_text_that_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no record|Expecting|delimiter"):
        Codec(Anything).from_text(text)


def test_type_that_cannot_be_carried_is_refused() -> None:
    @dataclass(frozen=True)
    class Odd:
        thing: object

    with pytest.raises(TypeError, match="cannot be carried"):
        Codec(Odd)


def test_types_that_cannot_be_told_apart_are_refused() -> None:
    @dataclass(frozen=True)
    class Odd:
        thing: PurePosixPath | Colour

    globals()["Odd"] = Odd
    with pytest.raises(TypeError, match="cannot be told apart"):
        Codec(Odd)
