"""The fast reader of headers gives what pydicom gives, or leaves the file to it."""

import os
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from tests.makers import Series, a_slice, compressed
from voxray.scan_io.dicom import reading
from voxray.scan_io.dicom.elements import WantedElements
from voxray.scan_io.dicom.opened import OpenedFile
from voxray.scan_io.dicom.quiet import READ_ERRORS

FILES = sorted({Path(name) for name in get_testdata_files() if Path(name).is_file()})
WANTED = WantedElements(["PatientID", "Rows", "SharedFunctionalGroupsSequence"])


def encoded(dataset):
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def found_in(content):
    return WANTED.find(OpenedFile(BytesIO(content)))


def header_by(read, content):
    """Header as a dictionary, or the kind of error; None if it is left to pydicom."""
    try:
        header = read(OpenedFile(BytesIO(content)))
    except READ_ERRORS as error:
        return type(error).__name__
    if header is None:
        return None
    only_fast = {"pixel_offset", "pixel_length"}
    return {k: v for k, v in asdict(header).items() if k not in only_fast}


def assert_as_pydicom(content):
    fast = header_by(reading._fast_header, content)
    if fast is not None:
        assert fast == header_by(reading._header_by_pydicom, content)
    return fast is not None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_of_pydicom_read_as_pydicom_reads_them(path):
    assert_as_pydicom(path.read_bytes())


def test_most_files_of_pydicom_are_read_fast():
    with_preamble = [p for p in FILES if p.read_bytes()[128:132] == b"DICM"]
    fast = [p for p in with_preamble if assert_as_pydicom(p.read_bytes())]

    assert len(fast) > 0.85 * len(with_preamble)


def test_real_files_are_all_read_fast():
    folder = Path(os.environ.get("VOXRAY_SHARED_DATA", "absent")) / "dicom"  # noqa: TID251
    if not folder.is_dir():
        pytest.skip("VOXRAY_SHARED_DATA must lead to dicom/")
    files = sorted(folder.rglob("*.dcm"))[::20]

    assert all(assert_as_pydicom(path.read_bytes()) for path in files)


def a_rich_slice(syntax=ExplicitVRLittleEndian):
    """With text that is not ASCII, sequences in sequences and private elements."""
    inner, item = Dataset(), Dataset()
    inner.CodeValue = "T-A0100"
    item.PurposeOfReferenceCodeSequence = Sequence([inner, Dataset()])
    item.ReferencedSOPInstanceUID = "1.2.3"
    item.PatientID = "another"
    extra = {
        "SpecificCharacterSet": "ISO_IR 100",
        "SeriesDescription": "Sch\xe4del",
        "ReferencedImageSequence": Sequence([item, item]),
        "PatientAge": "034Y",
        "EchoTime": "2.5",
        "DiffusionBValue": 800.0,
        "DiffusionGradientOrientation": [0.0, -0.0, 1.0],
        "InstitutionName": "A\\B ",
    }
    dataset = a_slice(Series(extra=extra), 0)
    dataset.file_meta.TransferSyntaxUID = syntax
    block = dataset.private_block(0x0029, "TEST", create=True)
    block.add_new(0x10, "OB", bytes(1000))
    block.add_new(0x11, "SQ", Sequence([Dataset(inner)]))
    return dataset


def with_undefined_lengths(dataset):
    for element in dataset.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
    return dataset


SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("change", [lambda d: d, with_undefined_lengths])
def test_sequences_text_and_private_elements_read_fast(syntax, change):
    content = encoded(change(a_rich_slice(syntax)))

    assert assert_as_pydicom(content)
    header = header_by(reading._fast_header, content)
    assert header["series_description"] == "Sch\xe4del"
    assert header["patient_id"] == "patient1"
    assert header["b_value"] == 800.0


RICH = [
    encoded(with_undefined_lengths(a_rich_slice())),
    encoded(a_rich_slice()),
    encoded(with_undefined_lengths(a_rich_slice(ImplicitVRLittleEndian))),
    encoded(a_rich_slice(ImplicitVRLittleEndian)),
    encoded(compressed(a_slice(Series(), 0), RLELossless)),
]
SLOW = [HealthCheck.too_slow]
EDIT = st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=6))


@given(
    st.sampled_from(RICH), st.lists(EDIT, max_size=4), st.none() | st.integers(0, 4000)
)
@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
def test_damaged_files_read_as_pydicom_reads_them(content, edits, length):
    damaged = bytearray(content[:length])
    for place, written in edits:
        begin = place % (len(damaged) + 1)
        damaged[begin : begin + len(written)] = written

    assert_as_pydicom(bytes(damaged))


VALUE = st.binary(max_size=24) | st.text("0123456789.+-eE \\\0_", max_size=24).map(
    lambda text: text.encode()
)


@given(
    st.sampled_from(
        ["ImageType", "InstanceNumber", "PixelSpacing", "PatientID", "SOPInstanceUID"]
    ),
    VALUE,
    st.sampled_from(["DS", "IS", "LO", "UI", "UN", "US", "AE", "ST"]),
)
@settings(max_examples=200, deadline=None)
@pytest.mark.filterwarnings("ignore:Invalid value for VR .*#")
def test_odd_values_read_as_pydicom_reads_them(keyword, value, vr):
    dataset = a_slice(Series(), 0)
    dataset[keyword].VR = "UN"
    dataset[keyword]._value = b"#" * 24
    content = encoded(dataset)
    place = content.index(b"UN\0\0\x18\0\0\0" + b"#" * 24)
    long_form = vr == "UN"
    head = vr.encode() + (b"\0\0" if long_form else b"")
    size = len(value).to_bytes(4 if long_form else 2, "little")

    assert_as_pydicom(content[:place] + head + size + value + content[place + 32 :])


def test_elements_behind_a_long_private_one_are_found():
    dataset = a_slice(Series(), 0)
    dataset.private_block(0x0009, "TEST", create=True).add_new(1, "OB", bytes(300_000))

    assert found_in(encoded(dataset)).dataset["Rows"] == 8


def test_sequence_longer_than_what_was_read_is_passed():
    dataset = a_slice(Series(), 0)
    item = Dataset()
    item.TextValue = "x" * 5000
    dataset.ReferencedImageSequence = Sequence([item] * 20)

    found = found_in(encoded(with_undefined_lengths(dataset)))

    assert found.dataset["PatientID"] == "patient1"
    assert found.pixels.length == 96


def test_header_longer_than_the_bound_is_left_to_pydicom():
    dataset = a_slice(Series(), 0)
    dataset.private_block(0x0009, "TEST", create=True).add_new(1, "OB", bytes(1 << 24))

    assert found_in(encoded(dataset)) is None


@pytest.mark.parametrize("depth", [3, 40])
def test_sequences_nested_without_end_are_left_to_pydicom(depth):
    item = Dataset()
    for _ in range(depth):
        outer = Dataset()
        outer.ReferencedImageSequence = Sequence([item])
        item = outer
    dataset = a_slice(Series(), 0)
    dataset.update(item)

    found = found_in(encoded(with_undefined_lengths(dataset)))

    assert (found is None) == (depth > 16)


def test_a_value_longer_than_any_real_one_is_left_to_pydicom():
    content = encoded(a_slice(Series(), 0))
    place = content.index(b"LO\x08\0patient1")
    long_value = b"UT\0\0" + (70_000).to_bytes(4, "little") + b"x" * 70_000

    assert found_in(content[:place] + long_value + content[place + 12 :]) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"DICM", b"DICX"),
        (b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"),
        (b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"),
        (b"\x10\0\x20\0LO", b"\x10\0\x20\0?!"),
        (b"\x10\0\x20\0LO\x08\0", b"\x10\0\x20\0LO\xff\xff"),
        (b"\xe0\x7f\x10\0OW", b"\xe0\x7f\x10\0US"),
        (b"\xe0\x7f\x10\0OW", b"\xfe\xff\x0d\xe0OW"),
    ],
)
def test_odd_encoding_is_left_to_pydicom(old, new):
    content = encoded(a_slice(Series(), 0))

    assert old in content
    assert found_in(content.replace(old, new)) is None


@pytest.mark.parametrize("name", ["ISO_IR 999", "ISO_IR 192\\made up"])
@pytest.mark.filterwarnings("ignore")
def test_unknown_character_set_is_left_to_pydicom(name):
    dataset = a_slice(Series(), 0)
    content = encoded(dataset)
    place = content.index(b"\x08\0\x08\0CS")
    value = name.encode().ljust(20)
    element = b"\x08\0\x05\0CS\x14\0" + value

    assert found_in(content[:place] + element + content[place:]) is None


def test_whether_a_sequence_is_there_is_known():
    plain, enhanced = a_slice(Series(), 0), a_slice(Series(), 0)
    enhanced.SharedFunctionalGroupsSequence = Sequence([Dataset()])

    assert "SharedFunctionalGroupsSequence" not in found_in(encoded(plain)).dataset
    assert "SharedFunctionalGroupsSequence" in found_in(encoded(enhanced)).dataset


def test_file_without_pixels_ends_at_its_end():
    dataset = a_slice(Series(), 0)
    del dataset.PixelData

    assert found_in(encoded(dataset)).pixels is None


def test_keyword_that_dicom_lacks_is_refused():
    with pytest.raises(ValueError, match="'Rowz' is no keyword of the DICOM dict"):
        WantedElements(["Rows", "Rowz"])


def test_pixels_of_float_are_not_native():
    dataset = a_slice(Series(), 0)
    del dataset.PixelData
    dataset.FloatPixelData = np.zeros(48, np.float32).tobytes()

    assert not found_in(encoded(dataset)).pixels.native
