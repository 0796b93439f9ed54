"""Which scans fill which channel, and which scans make one exam."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from voxray.core.specs.base import Spec


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _ordered(
    bounds: tuple[float | None, float | None],
) -> tuple[float | None, float | None]:
    low, high = bounds
    if low is not None and high is not None and low > high:
        msg = f"the lower bound {low:g} is above the upper bound {high:g}"
        raise ValueError(msg)
    return bounds


def _compiled(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        msg = f"{pattern!r} is no regular expression: {error}"
        raise ValueError(msg) from error
    return pattern


def _grouped(pattern: str) -> str:
    if re.compile(pattern).groups < 1:
        msg = f"the pattern {pattern!r} has no group; put (…) around the exam"
        raise ValueError(msg)
    return pattern


Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""Several words; one may be given alone."""

Interval = Annotated[tuple[float | None, float | None], AfterValidator(_ordered)]
"""Lowest and highest value that pass; null leaves an end open."""

Pattern = Annotated[str, AfterValidator(_compiled)]
"""Regular expression, searched anywhere, in any case."""

Plane = Literal["axial", "coronal", "sagittal", "oblique"]
Planes = Annotated[tuple[Plane, ...], BeforeValidator(_listed)]
Choice = Literal["only", "first", "best"]
Score = Literal[
    "thinnest", "finest", "most_slices", "latest_series", "highest_series_number"
]


class ChannelRules(Spec):
    """Which scans may fill a channel; an empty rule lets every scan pass.

    A rule on something that a DICOM header does not state leaves the scan out. NIfTI
    files and pictures have no header, and pass every rule on one; `path`, `volume` and
    the rules on geometry are for them too.

    Attributes:
        modality: DICOM codes, one of which the scan has, e.g. [MR].
        body_part: One of these, in any case (BodyPartExamined).
        description: Searched in SeriesDescription.
        exclude_description: Must not be found there.
        orientation: Nearest plane; oblique is more than 30 degrees away from all three.
        slice_thickness_mm: SliceThickness, or the spacing along a NIfTI file's third
            axis.
        spacing_mm: Pixel spacing in the plane, both ways.
        n_slices: Slices of the volume.
        contrast: Whether ContrastBolusAgent or the description names an agent.
        image_type: Values that ImageType must all have.
        image_type_not: Values of which it must have none.
        manufacturer: Text of which one is part of Manufacturer, in any case.
        volume: Which volume of a series or file with several, from 0.
        path: Glob on the relative path of the file, or of the folder of a DICOM series;
            `*` crosses folders.
        path_pattern: The same as a regular expression.
        required: Whether an exam without this channel is refused. A channel that is
            not there is zero after normalisation.
        choose: Of several scans of one exam that pass: `only` takes none, `first` the
            lowest series number, `best` the best by `score`. Without it the one
            channel of an experiment makes every scan an exam, and one of several
            channels takes the best.
        score: What `best` means. Of equals the lowest series number, then the path.
    """

    modality: Words = ()
    body_part: Words = ()
    description: Pattern | None = None
    exclude_description: Pattern | None = None
    orientation: Planes = ()
    slice_thickness_mm: Interval | None = None
    spacing_mm: Interval | None = None
    n_slices: Interval | None = None
    contrast: bool | None = None
    image_type: Words = ()
    image_type_not: Words = ()
    manufacturer: Words = ()
    echo_time_ms: Interval | None = None
    b_value: Interval | None = None
    temporal_position: int | None = None
    laterality: Words = ()
    view_position: Words = ()
    volume: Annotated[int, Field(ge=0)] | None = None
    path: str | None = None
    path_pattern: Pattern | None = None
    required: bool = True
    choose: Choice | None = None
    score: Score = "thinnest"


class ExamPattern(Spec):
    """Scans whose relative path gives the same groups of a pattern are one exam."""

    pattern: Annotated[str, AfterValidator(_compiled), AfterValidator(_grouped)]


class ExamColumn(Spec):
    """Scans with one value in a column of the label table are one exam."""

    column: str


ExamRule = Literal["study", "folder"] | ExamPattern | ExamColumn
"""What makes scans one exam. `study`: the StudyInstanceUID; of a file without one, the
file itself if it holds several volumes, else its folder."""


def one_scan_an_exam(channels: dict[str, ChannelRules]) -> bool:
    """Whether every scan that passes is an exam of its own."""
    return len(channels) == 1 and all(c.choose is None for c in channels.values())
