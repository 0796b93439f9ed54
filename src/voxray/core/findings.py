"""The one table of everything intake and scoring can say about a file or a scan.

`docs/reference/codes.md` is generated from it. What happens by default stands in the
table; `data.policy` in an experiment changes it for the codes that allow a choice.
"""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What is done with a scan that has a finding."""

    ACCEPT = "accept"
    REPAIR = "repair"
    REFUSE = "refuse"


class FindingCode(StrEnum):
    """Stable names: scripts of users filter on them."""

    NOT_AN_IMAGE = "not-an-image"
    UNREADABLE_FILE = "unreadable-file"
    TRUNCATED_FILE = "truncated-file"
    UNDECODABLE_PIXELS = "undecodable-pixels"
    UNSUPPORTED_IMAGE = "unsupported-image"
    LINK_OUTSIDE_FOLDER = "link-outside-folder"
    DUPLICATE_SLICE = "duplicate-slice"
    CONFLICTING_SLICES = "conflicting-slices"
    MISSING_SLICE = "missing-slice"
    UNEVEN_SPACING = "uneven-spacing"
    MIXED_ORIENTATION = "mixed-orientation"
    MIXED_SIZE = "mixed-size"
    GANTRY_TILT = "gantry-tilt"
    MISSING_GEOMETRY = "missing-geometry"
    SHEARED_AFFINE = "sheared-affine"
    SINGLE_SLICE = "single-slice"
    NOT_A_VOLUME = "not-a-volume"
    EXTENT_UNVERIFIED = "extent-unverified"
    MIXED_PATIENTS = "mixed-patients"
    NOT_FINITE = "not-finite"
    CONSTANT_IMAGE = "constant-image"
    NOT_SELECTED = "not-selected"
    NO_MASK = "no-mask"
    MASK_WITHOUT_SCAN = "mask-without-scan"
    MASK_UNREADABLE = "mask-unreadable"
    MASK_GEOMETRY = "mask-geometry"
    MASK_UNKNOWN_VALUE = "mask-unknown-value"
    MASK_EMPTY = "mask-empty"
    NO_LABEL = "no-label"
    UNKNOWN_LABEL = "unknown-label"
    NO_PATIENT = "no-patient"
    COPY_OF = "copy-of"
    COPY_CONFLICT = "copy-conflict"
    OUTSIDE_TRAINING_RANGE = "outside-training-range"
    PROCESSING_FAILED = "processing-failed"


@dataclass(frozen=True, slots=True)
class Policy:
    """One row of the table.

    Attributes:
        action: What happens unless the experiment says otherwise.
        meaning: What was seen, for a person who never read the code.
        remedy: What to do about it.
        choices: Actions that `data.policy` may set instead.
    """

    action: Action
    meaning: str
    remedy: str
    choices: tuple[Action, ...] = ()


_A, _R, _X = Action.ACCEPT, Action.REPAIR, Action.REFUSE
_C = FindingCode

POLICY: dict[FindingCode, Policy] = {
    _C.NOT_AN_IMAGE: Policy(
        _X, "The file is neither DICOM nor NIfTI.", "Nothing, or move it elsewhere."
    ),
    _C.UNREADABLE_FILE: Policy(
        _X, "The file cannot be opened or its header is broken.", "Export it again."
    ),
    _C.TRUNCATED_FILE: Policy(
        _X, "The file ends before its pixels do.", "Export the series again."
    ),
    _C.UNDECODABLE_PIXELS: Policy(
        _X, "The pixels cannot be decoded.", "Export it uncompressed."
    ),
    _C.UNSUPPORTED_IMAGE: Policy(
        _X,
        "DICOM without a single-frame grey image: a report, a colour image, "
        "a presentation state or a multi-frame object.",
        "Nothing, or export it as single-frame images.",
    ),
    _C.LINK_OUTSIDE_FOLDER: Policy(
        _X,
        "A symbolic link leaves the scan folder.",
        "Copy the file into the folder.",
    ),
    _C.DUPLICATE_SLICE: Policy(
        _R,
        "Two slices lie at one position with the same pixels; one is used.",
        "Nothing.",
        (_X,),
    ),
    _C.CONFLICTING_SLICES: Policy(
        _X,
        "Two slices lie at one position with different pixels.",
        "Split the series by echo, time or b-value, or export it again.",
    ),
    _C.MISSING_SLICE: Policy(
        _X,
        "A gap between slices is a whole multiple of the others.",
        "Export the missing slice again.",
    ),
    _C.UNEVEN_SPACING: Policy(
        _X, "Distances between slices differ.", "Export the series again."
    ),
    _C.MIXED_ORIENTATION: Policy(
        _X, "Slices of one series lie in different planes.", "Split the series."
    ),
    _C.MIXED_SIZE: Policy(
        _X, "Slices of one series differ in rows, columns or pixel size.", "Split it."
    ),
    _C.GANTRY_TILT: Policy(
        _X, "Slices are shifted in plane: the gantry was tilted.", "Rectify the series."
    ),
    _C.MISSING_GEOMETRY: Policy(
        _X,
        "Position, orientation or pixel spacing is missing or impossible.",
        "Export the series from the scanner or the archive again.",
    ),
    _C.SHEARED_AFFINE: Policy(
        _X, "The axes of the NIfTI file are not at right angles.", "Resample it."
    ),
    _C.SINGLE_SLICE: Policy(
        _X, "A tomographic series of one slice: no slice spacing.", "Export it whole."
    ),
    _C.NOT_A_VOLUME: Policy(
        _X,
        "The image has more than three dimensions, or none of size above one.",
        "Store one volume a file.",
    ),
    _C.EXTENT_UNVERIFIED: Policy(
        _A,
        "The header does not say how many slices there were; slices missing at an "
        "end cannot be excluded.",
        "Compare the number of slices with the archive.",
        (_X,),
    ),
    _C.MIXED_PATIENTS: Policy(
        _X, "One series names more than one patient.", "Export it again."
    ),
    _C.NOT_FINITE: Policy(_X, "A voxel is NaN or infinite.", "Store finite values."),
    _C.CONSTANT_IMAGE: Policy(
        _X, "All voxels have one value.", "Export the scan again."
    ),
    _C.NOT_SELECTED: Policy(
        _X, "A rule of `data.channels` leaves the scan out.", "Change the rule."
    ),
    _C.NO_MASK: Policy(
        _X, "The scan has no mask, and the task needs one.", "Draw one, or leave it."
    ),
    _C.MASK_WITHOUT_SCAN: Policy(
        _X, "A mask has no scan of its name.", "Rename it, or find the scan."
    ),
    _C.MASK_UNREADABLE: Policy(
        _X, "The mask file cannot be read.", "Export the mask again."
    ),
    _C.MASK_GEOMETRY: Policy(
        _X, "The mask is not on the scan's voxel grid.", "Draw it on this scan."
    ),
    _C.MASK_UNKNOWN_VALUE: Policy(
        _X,
        "The mask holds a value that `task.segment.classes` does not name.",
        "Name it there, or correct the mask.",
    ),
    _C.MASK_EMPTY: Policy(
        _A, "The mask has no voxel of any class.", "Nothing if that is true.", (_X,)
    ),
    _C.NO_LABEL: Policy(
        _X, "The label table has no row or no value for the scan.", "Add the label."
    ),
    _C.UNKNOWN_LABEL: Policy(
        _X,
        "The label is none of `task.classify.classes`.",
        "Correct the table, or name the class.",
    ),
    _C.NO_PATIENT: Policy(
        _X, "`data.patient` gives no patient for the scan.", "Correct `data.patient`."
    ),
    _C.COPY_OF: Policy(
        _X,
        "The same pixels as another scan; the other one is used and both patients "
        "count as one group.",
        "Remove one of them.",
    ),
    _C.COPY_CONFLICT: Policy(
        _X,
        "Copies of one image carry different labels; neither is used.",
        "Find out which label is right.",
    ),
    _C.OUTSIDE_TRAINING_RANGE: Policy(
        _X,
        "Modality, spacing or field of view is unlike the training data.",
        "Use a model made for such scans.",
    ),
    _C.PROCESSING_FAILED: Policy(
        _X, "An accepted scan could not be processed.", "Read the log; report a bug."
    ),
}


def action_for(code: FindingCode, overrides: dict[FindingCode, Action]) -> Action:
    """What happens to a scan with this finding under the experiment's policy."""
    return overrides.get(code, POLICY[code].action)
