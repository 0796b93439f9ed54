"""Does the data set look sane, and what should a person look at first?"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from voxray.core.findings import FindingCode
from voxray.core.wording import counted
from voxray.report.intake_content import IntakeContent

_C = FindingCode
_ASIDE = {_C.NOT_SELECTED, _C.NOT_AN_IMAGE, _C.LOCALIZER, _C.COPY_OF}
"""Left out as it should be: nothing is wrong with the data set."""
ODD_CODES = (
    _C.UNLIKE_SIBLINGS,
    _C.CLIPPED_INTENSITIES,
    _C.EMPTY_SLICES,
    _C.BURNED_IN_TEXT,
    _C.NEAR_COPY,
)
"""Findings that make one scan stand out from the others."""
_UNVERIFIED = (_C.EXTENT_UNVERIFIED, _C.NO_GEOMETRY)
_MANY = 0.2


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing to look at.

    Attributes:
        text: A sentence.
        place: Section of the page with the details.
        grave: Whether training before looking would be a mistake.
    """

    text: str
    place: str
    grave: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer in one sentence, and what it rests on, the gravest first."""

    sentence: str
    concerns: tuple[Concern, ...]


def verdict(content: IntakeContent) -> Verdict:
    """Judge the set by what was found; nothing is computed from voxels."""
    if not content.scans:
        concern = tuple(_unused(content))
        return Verdict("No scan can be used.", concern)
    concerns = sorted(
        (
            *_copies(content),
            *_unused(content),
            *_odd(content),
            *_labels(content),
            *(Concern(_sentence(note), "distributions") for note in content.notes),
        ),
        key=lambda concern: not concern.grave,
    )
    n_grave = sum(concern.grave for concern in concerns)
    if n_grave:
        said = "Do not train on this set before you have looked at the first "
        said += "point." if n_grave == 1 else f"{n_grave} points."
    elif concerns:
        said = "The set looks usable; the points below deserve a look."
    else:
        said = "The set looks sane: nothing stands out."
    return Verdict(said, tuple(concerns))


def _copies(content: IntakeContent) -> Iterator[Concern]:
    pairs = content.near_copies
    across = sum(pair.patient_id != pair.other_patient_id for pair in pairs)
    if across:
        text = (
            f"{counted(across, 'pair')} of scans of different patients are nearly the "
            "same image: a leak if a split parts them."
        )
        yield Concern(text, "near-copies", grave=True)
    if within := len(pairs) - across:
        text = f"{counted(within, 'pair')} of scans of one patient are nearly the same."
        yield Concern(text, "near-copies")
    exact = sum(row.code is _C.COPY_OF for row in content.unused)
    if exact:
        text = f"{counted(exact, 'scan')} left out as exact copies of other scans."
        yield Concern(text, "unused")
    if n_links := len(content.linked_patients):
        text = f"{counted(n_links, 'pair')} of patients linked, never to be split."
        yield Concern(text, "linked")


def _unused(content: IntakeContent) -> Iterator[Concern]:
    reasons = Counter(r.code for r in content.unused if r.code not in _ASIDE)
    n_refused = reasons.total()
    if not n_refused:
        return
    code, n = reasons.most_common(1)[0]
    text = (
        f"{n_refused:,} files or series are refused, most often {code} ({n:,}); "
        f"{counted(len(content.scans), 'scan')} may be used."
        if n_refused > 1
        else f"A file or series is refused, {code} (1); "
        f"{counted(len(content.scans), 'scan')} may be used."
    )
    share = n_refused / (n_refused + len(content.scans))
    yield Concern(text, "unused", grave=share > _MANY)


def _odd(content: IntakeContent) -> Iterator[Concern]:
    found = Counter(
        code for s in content.scans for code in {f.code for f in s.record.findings}
    )
    said = [f"{code} ({found[code]:,})" for code in ODD_CODES if found[code]]
    if said:
        text = f"Some scans look odd: {', '.join(said)}; they come first below."
        yield Concern(text, "findings")
    for code in _UNVERIFIED:
        if found[code]:
            what = (
                "may lack slices at an end, which no header can rule out"
                if code is _C.EXTENT_UNVERIFIED
                else "without a stated size in mm"
            )
            text = f"{counted(found[code], 'scan')} {what} ({code})."
            yield Concern(text, "findings")


def _labels(content: IntakeContent) -> Iterator[Concern]:
    if n_rows := content.label_rows_without_scan:
        verb = "names" if n_rows == 1 else "name"
        text = f"{counted(n_rows, 'row')} of the label table {verb} no scan found here."
        yield Concern(text, "labels")


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:].rstrip('.')}."
