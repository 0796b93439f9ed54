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
    UNSAFE_ARCHIVE = "unsafe-archive"
    TOO_LARGE = "too-large"
    NO_GEOMETRY = "no-geometry"
    COLOUR_TO_GREY = "colour-to-grey"
    INVERTED_GREY = "inverted-grey"
    WINDOW_APPLIED = "window-applied"
    PADDING_VALUE = "padding-value"
    SPLIT_SERIES = "split-series"
    LOCALIZER = "localizer"
    DERIVED_IMAGE = "derived-image"
    DUPLICATE_SLICE = "duplicate-slice"
    CONFLICTING_SLICES = "conflicting-slices"
    MISSING_SLICE = "missing-slice"
    UNEVEN_SPACING = "uneven-spacing"
    MIXED_ORIENTATION = "mixed-orientation"
    MIXED_SIZE = "mixed-size"
    SHIFTED_SLICE = "shifted-slice"
    GANTRY_TILT = "gantry-tilt"
    MISSING_GEOMETRY = "missing-geometry"
    SHEARED_AFFINE = "sheared-affine"
    SINGLE_SLICE = "single-slice"
    NOT_A_VOLUME = "not-a-volume"
    EXTENT_UNVERIFIED = "extent-unverified"
    MIXED_PATIENTS = "mixed-patients"
    NOT_FINITE = "not-finite"
    CONSTANT_IMAGE = "constant-image"
    CLIPPED_INTENSITIES = "clipped-intensities"
    EMPTY_SLICES = "empty-slices"
    BURNED_IN_TEXT = "burned-in-text"
    UNLIKE_SIBLINGS = "unlike-siblings"
    NEAR_COPY = "near-copy"
    NOT_SELECTED = "not-selected"
    CHANNEL_MISSING = "channel-missing"
    CHANNELS_UNALIGNED = "channels-unaligned"
    NO_MASK = "no-mask"
    MASK_WITHOUT_SCAN = "mask-without-scan"
    MASK_UNREADABLE = "mask-unreadable"
    MASK_GEOMETRY = "mask-geometry"
    MASK_UNKNOWN_VALUE = "mask-unknown-value"
    MASK_EMPTY = "mask-empty"
    MASK_OUTSIDE_SCAN = "mask-outside-scan"
    MASK_OVERLAP = "mask-overlap"
    MASK_FRACTIONAL = "mask-fractional"
    MASK_OTHER_STRUCTURES = "mask-other-structures"
    MASK_AMBIGUOUS = "mask-ambiguous"
    NO_LABEL = "no-label"
    UNKNOWN_LABEL = "unknown-label"
    LABEL_CONFLICT = "label-conflict"
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
        _X,
        "The file is neither DICOM nor NIfTI nor a picture.",
        "Nothing, or move it elsewhere.",
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
        "DICOM without an image that can be a scan: a report, a presentation state, "
        "a film, or frames that make no volume.",
        "Nothing, or export it as images.",
    ),
    _C.LINK_OUTSIDE_FOLDER: Policy(
        _X,
        "A symbolic link leaves the scan folder.",
        "Copy the file into the folder.",
    ),
    _C.UNSAFE_ARCHIVE: Policy(
        _X,
        "An archive that cannot be read safely: encrypted, damaged, inside another, "
        "unpacking to far more than its size, or with a path that leaves it or stands "
        "twice. Or a link or a device in an archive.",
        "Unpack it, look at it, and give the folder.",
    ),
    _C.TOO_LARGE: Policy(
        _X,
        "The header declares more voxels than the bound for one scan.",
        "Check the file; split the scan.",
    ),
    _C.NO_GEOMETRY: Policy(
        _A,
        "The image says nothing of its place or its pixel size, or a NIfTI header "
        "gives two places; pixels of 1 mm are assumed where none is stated, and the "
        "sform counts.",
        "Nothing, if place or size in mm does not matter.",
        (_X,),
    ),
    _C.COLOUR_TO_GREY: Policy(
        _R,
        "A colour image. Intake goes by its luminance; the network sees colours where "
        "most images have any.",
        "Nothing.",
        (_X,),
    ),
    _C.INVERTED_GREY: Policy(
        _R,
        "The file stores dark as high (MONOCHROME1); values are inverted so that "
        "bright is high.",
        "Nothing.",
        (_X,),
    ),
    _C.WINDOW_APPLIED: Policy(
        _A,
        "A radiograph with a value-of-interest table or window for presentation; it "
        "is applied.",
        "Nothing.",
        (_X,),
    ),
    _C.PADDING_VALUE: Policy(
        _A,
        "Voxels outside the field of view hold a padding value; it is kept.",
        "Set repair to replace it by the lowest value of the image.",
        (_R, _X),
    ),
    _C.SPLIT_SERIES: Policy(
        _A,
        "The series holds several volumes, told apart by orientation, size, echo, "
        "acquisition, time or b-value; this is one of them.",
        "Choose among them with a rule of `data.channels`.",
        (_X,),
    ),
    _C.LOCALIZER: Policy(
        _X, "A localizer or scout view, no examination.", "Nothing.", (_A,)
    ),
    _C.DERIVED_IMAGE: Policy(
        _A,
        "The header says that the image was computed from others.",
        "Choose with a rule of `data.channels`, e.g. image_type.",
        (_X,),
    ),
    _C.DUPLICATE_SLICE: Policy(
        _R,
        "Two slices lie at one position with the same pixels; one is used.",
        "Nothing.",
        (_X,),
    ),
    _C.CONFLICTING_SLICES: Policy(
        _X,
        "Two slices lie at one position with different pixels, or slices of several "
        "echoes, b-values, frames of reference, studies or modalities make one stack.",
        "Split the series by echo, time or b-value, or export it again.",
    ),
    _C.MISSING_SLICE: Policy(
        _X,
        "A gap between slices is a whole multiple of the others, or there are fewer "
        "slices than the header or other volumes of the series say.",
        "Export the missing slice again, or set repair: a gap is filled linearly from "
        "its neighbours; what is missing at an end still refuses.",
        (_R,),
    ),
    _C.UNEVEN_SPACING: Policy(
        _X,
        "Distances between slices differ.",
        "Export the series again, or set repair: read linearly at even steps.",
        (_R,),
    ),
    _C.MIXED_ORIENTATION: Policy(
        _X, "Slices of one series lie in different planes.", "Split the series."
    ),
    _C.MIXED_SIZE: Policy(
        _X, "Slices of one series differ in rows, columns or pixel size.", "Split it."
    ),
    _C.SHIFTED_SLICE: Policy(
        _X,
        "A single slice is shifted in plane against the others.",
        "Export the series again.",
    ),
    _C.GANTRY_TILT: Policy(
        _R,
        "Slices are shifted in plane: the gantry was tilted. Each is moved back, "
        "linearly, onto a grid at right angles.",
        "Nothing.",
        (_X,),
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
        _X,
        "A tomographic series of one slice: no slice spacing.",
        "Export it whole, or set accept: the slice thickness is its spacing.",
        (_A,),
    ),
    _C.NOT_A_VOLUME: Policy(
        _X,
        "The image has no dimension above one, or more than space and time.",
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
    _C.CLIPPED_INTENSITIES: Policy(
        _A,
        "Many voxels share the highest value: intensities were cut off.",
        "Export it again with more bits.",
        (_X,),
    ),
    _C.EMPTY_SLICES: Policy(
        _A, "Slices hold one value only.", "Look at the scan.", (_X,)
    ),
    _C.BURNED_IN_TEXT: Policy(
        _A,
        "Text may be burned into the pixels, perhaps a name.",
        "Look at the image before sharing it.",
        (_X,),
    ),
    _C.UNLIKE_SIBLINGS: Policy(
        _A,
        "The scan is unlike the others of the data set in kind, body region, "
        "intensity or size.",
        "Look at the scan.",
        (_X,),
    ),
    _C.NEAR_COPY: Policy(
        _A,
        "Nearly the same image as another scan; nothing is merged.",
        "Look at both; make their patients one if they are.",
        (_X,),
    ),
    _C.NOT_SELECTED: Policy(
        _X, "A rule of `data.channels` leaves the scan out.", "Change the rule."
    ),
    _C.CHANNEL_MISSING: Policy(
        _X,
        "The exam lacks a scan for a required channel.",
        "Export the missing series, or set `required: false`.",
    ),
    _C.CHANNELS_UNALIGNED: Policy(
        _X,
        "Scans of one exam share no frame of reference, or do not overlap.",
        "Align them with a tool for it, and give the result.",
    ),
    _C.NO_MASK: Policy(
        _X, "The scan has no mask, and the task needs one.", "Draw one, or leave it."
    ),
    _C.MASK_WITHOUT_SCAN: Policy(
        _X,
        "A mask refers to no scan that is here, and none has its name.",
        "Rename it, or find the scan.",
    ),
    _C.MASK_UNREADABLE: Policy(
        _X, "The mask file cannot be read.", "Export the mask again."
    ),
    _C.MASK_GEOMETRY: Policy(
        _X,
        "The mask is not on the voxels of the scan, or in another frame of reference. "
        "Masks are never resampled.",
        "Draw it on this scan, or export it on the grid of this scan.",
    ),
    _C.MASK_UNKNOWN_VALUE: Policy(
        _X,
        "The mask holds a value or segment that `task.segment.classes` does not name, "
        "or none of its structures has the name of a class.",
        "Name it there, correct the mask, or set accept: it is background.",
        (_A,),
    ),
    _C.MASK_EMPTY: Policy(
        _A, "The mask has no voxel of any class.", "Nothing if that is true.", (_X,)
    ),
    _C.MASK_OUTSIDE_SCAN: Policy(
        _X,
        "A part of the mask lies outside the scan.",
        "Draw it on this scan, or set accept: that part is left out.",
        (_A,),
    ),
    _C.MASK_OVERLAP: Policy(
        _X,
        "Two classes of the mask share voxels, or contours of one structure cross.",
        "Correct the mask, or set repair: the later class of the experiment counts, "
        "and what an even number of contours of one structure enclose is outside.",
        (_R,),
    ),
    _C.MASK_FRACTIONAL: Policy(
        _R,
        "The segmentation holds fractions; voxels from a half of the highest fraction "
        "on count.",
        "Nothing, or store a binary segmentation.",
        (_X,),
    ),
    _C.MASK_OTHER_STRUCTURES: Policy(
        _A,
        "A structure set has structures whose names no class has; they are left out.",
        "Nothing, if all that is wanted has the name of its class.",
        (_X,),
    ),
    _C.MASK_AMBIGUOUS: Policy(
        _X,
        "Several masks fit the scan, or one mask fits several scans.",
        "Leave one of them in the mask folder, or choose one scan with a rule.",
    ),
    _C.NO_LABEL: Policy(
        _X, "The label table has no row or no value for the scan.", "Add the label."
    ),
    _C.UNKNOWN_LABEL: Policy(
        _X,
        "The label is none of `task.classify.classes`.",
        "Correct the table, or name the class.",
    ),
    _C.LABEL_CONFLICT: Policy(
        _X,
        "Rows of the label table contradict each other for this scan.",
        "Keep the right row.",
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
        "Modality, spacing, field of view or units are unlike the training data.",
        "Use a model made for such scans.",
    ),
    _C.PROCESSING_FAILED: Policy(
        _X, "An accepted scan could not be processed.", "Read the log; report a bug."
    ),
}


def action_for(code: FindingCode, overrides: dict[FindingCode, Action]) -> Action:
    """What happens to a scan with this finding under the experiment's policy."""
    return overrides.get(code, POLICY[code].action)
