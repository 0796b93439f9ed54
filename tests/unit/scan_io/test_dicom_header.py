import gzip
import pickle
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from tests.makers import (
    Series,
    a_slice,
    a_uid,
    compressed,
    save_dicom,
    save_without_preamble,
    set_pixels,
    truncate,
)
from voxray.core.errors import UnreadableScanError
from voxray.scan_io import read_dicom_header


def header_of(tmp_path, series=None, k=0):
    return read_dicom_header(save_dicom(a_slice(series or Series(), k), tmp_path / "f"))


def header_with(tmp_path, **extra):
    return header_of(tmp_path, Series(extra=extra))


def test_header_tells_what_the_file_says(tmp_path):
    series = Series(origin_lps_mm=(1.5, 2.0, -3.0), spacing_mm=(0.5, 0.75, 2.0))

    header = header_of(tmp_path, series, k=2)

    assert header.modality == "MR"
    assert header.patient_id == "patient1"
    assert header.series_instance_uid == a_uid("study1", "series1")
    assert header.instance_number == 3
    assert (header.rows, header.columns) == (8, 6)
    assert header.pixel_spacing_mm == (0.5, 0.75)
    assert header.position_lps_mm == (1.5, 2.0, 1.0)
    assert header.orientation_lps == (1, 0, 0, 0, 1, 0)
    assert header.image_type == ("ORIGINAL", "PRIMARY", "M")
    assert header.pixel_bytes_expected == 8 * 6 * 2
    assert (header.has_pixels, header.truncated) == (True, False)


def test_absent_values_are_none(tmp_path):
    absent = dict.fromkeys(["PatientID", "PixelSpacing", "InstanceNumber", "ImageType"])

    header = header_with(tmp_path, **absent)

    assert header.patient_id is None
    assert header.pixel_spacing_mm is None
    assert header.instance_number is None
    assert header.image_type == ()


def test_blank_text_is_none(tmp_path):
    assert header_with(tmp_path, PatientID="  ").patient_id is None


@pytest.mark.filterwarnings("ignore:.*alue.* for.* VR")
@pytest.mark.parametrize(
    ("keyword", "value", "field"),
    [
        ("PixelSpacing", b"1.0\\wide", "pixel_spacing_mm"),
        ("PixelSpacing", b"1.0", "pixel_spacing_mm"),
        ("ImagePositionPatient", b"1\\nan\\3 ", "position_lps_mm"),
        ("ImagePositionPatient", b"1\\2 ", "position_lps_mm"),
        ("ImageOrientationPatient", b"1\\0\\0 ", "orientation_lps"),
        ("InstanceNumber", b"one ", "instance_number"),
        ("InstanceNumber", b"1\\2 ", "instance_number"),
        ("Rows", b"\1\0\2\0", "rows"),
        ("EchoNumbers", b"1.5 ", "echo_number"),
        ("PatientAge", b"old ", "patient_age_years"),
    ],
)
def test_malformed_value_is_none_and_silent(tmp_path, keyword, value, field):
    vr = {"Rows": "US", "InstanceNumber": "IS", "EchoNumbers": "IS", "PatientAge": "AS"}
    dataset = a_slice(Series(), 0)
    dataset[keyword] = RawDataElement(
        Tag(keyword),
        vr.get(keyword, "DS"),
        length=len(value),
        value=value,
        value_tell=0,
        is_implicit_VR=False,
        is_little_endian=True,
    )
    path = save_dicom(dataset, tmp_path / "f")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = read_dicom_header(path)

    assert getattr(header, field) is None


@pytest.mark.parametrize(
    ("age", "years"), [("034Y", 34.0), ("018M", 1.5), ("026W", 0.498), ("010D", 0.027)]
)
def test_patient_age_counts_years(tmp_path, age, years):
    assert header_with(tmp_path, PatientAge=age).patient_age_years == years


@pytest.mark.parametrize(
    ("birth", "study", "years"),
    [
        ("19800101", "20000101", 20.0),
        ("20000101", "19800101", None),
        ("1980", "20000101", None),
        ("", "20000101", None),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_age_is_from_birth_to_study_without_patient_age(tmp_path, birth, study, years):
    header = header_with(tmp_path, PatientBirthDate=birth, StudyDate=study)

    assert header.patient_age_years == years


@pytest.mark.parametrize(("value", "sex"), [("f", "F"), ("M", "M"), ("X", None)])
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_sex_is_one_of_three_letters(tmp_path, value, sex):
    assert header_with(tmp_path, PatientSex=value).patient_sex == sex


def test_identity_does_not_show_in_repr(tmp_path):
    shown = repr(header_with(tmp_path, InstitutionName="Clinic X", PatientAge="034Y"))

    for private in ("patient1", "Clinic X", "34.0", a_uid("study1", "series1")):
        assert private not in shown


def test_file_without_preamble_is_read(tmp_path):
    path = save_without_preamble(a_slice(Series(), 1), tmp_path / "old")

    header = read_dicom_header(path)

    assert (header.instance_number, header.transfer_syntax_uid) == (2, None)
    assert (header.has_pixels, header.truncated) == (True, False)


@pytest.mark.parametrize("lost_bytes", [1, 95])
def test_file_that_ends_before_its_pixels_do_is_truncated(tmp_path, lost_bytes):
    path = save_dicom(a_slice(Series(), 0), tmp_path / "f")
    truncate(path, path.stat().st_size - lost_bytes)

    header = read_dicom_header(path)

    assert (header.has_pixels, header.truncated) == (True, True)


def test_pixel_element_shorter_than_the_image_is_truncated(tmp_path):
    dataset = a_slice(Series(), 0)
    dataset.PixelData = dataset.PixelData[:-2]

    assert read_dicom_header(save_dicom(dataset, tmp_path / "f")).truncated


@pytest.mark.parametrize("part", [0.5, 0.7, 0.8])
def test_image_cut_in_its_header_is_truncated(tmp_path, part):
    path = truncate(save_dicom(a_slice(Series(), 0), tmp_path / "f"), part)

    header = read_dicom_header(path)

    assert (header.has_pixels, header.truncated) == (False, True)


def test_padding_byte_does_not_count_as_pixels(tmp_path):
    dataset = a_slice(Series(), 0)
    set_pixels(dataset, np.zeros((3, 3), np.uint8))

    header = read_dicom_header(save_dicom(dataset, tmp_path / "f"))

    assert (header.pixel_bytes_expected, header.truncated) == (9, False)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_file_is_truncated_when_its_last_fragment_is_cut(tmp_path, syntax):
    series = Series(rows=64, columns=64)
    path = save_dicom(compressed(a_slice(series, 0), syntax), tmp_path / "f")

    whole = read_dicom_header(path)
    cut = read_dicom_header(truncate(path, path.stat().st_size - 10))

    assert (whole.truncated, whole.pixel_bytes_expected) == (False, None)
    assert cut.truncated
    assert whole.transfer_syntax_uid == syntax


def test_compressed_file_without_its_end_mark_is_truncated(tmp_path):
    path = save_dicom(compressed(a_slice(Series(), 0), RLELossless), tmp_path / "f")

    assert read_dicom_header(truncate(path, path.stat().st_size - 8)).truncated


def test_deflated_file_is_read(tmp_path):
    dataset = a_slice(Series(), 0)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian

    header = read_dicom_header(save_dicom(dataset, tmp_path / "f"))

    assert (header.rows, header.has_pixels, header.truncated) == (8, True, False)


@pytest.mark.parametrize(
    ("name", "has_pixels", "truncated"),
    [
        ("MR_truncated.dcm", True, True),
        ("MR_small_padded.dcm", True, False),
        ("MR_small_bigendian.dcm", True, False),
        ("SC_ybr_full_422_uncompressed.dcm", True, False),
        ("SC_rgb_jpeg.dcm", True, False),
        ("badVR.dcm", True, False),
        ("liver_1frame.dcm", True, False),
        ("test-SR.dcm", False, False),
        ("rtplan_truncated.dcm", False, False),
    ],
)
def test_odd_files_are_measured(name, has_pixels, truncated):
    header = read_dicom_header(Path(str(get_testdata_file(name))))

    assert (header.has_pixels, header.truncated) == (has_pixels, truncated)


@pytest.mark.parametrize("content", [b"", b"\0" * 500, b"patient name, label\n" * 40])
def test_file_that_is_no_dicom_is_refused_without_quoting_it(tmp_path, content):
    path = tmp_path / "x"
    path.write_bytes(content)

    with pytest.raises(UnreadableScanError, match=r"scan 's9': the DICOM header") as e:
        read_dicom_header(path, "s9")

    assert "patient" not in str(e.value)


def test_missing_file_says_so(tmp_path):
    with pytest.raises(UnreadableScanError, match=r"cannot be read: No such file"):
        read_dicom_header(tmp_path / "absent")


def test_pixels_that_can_be_read_in_place_have_an_offset(tmp_path):
    dataset = a_slice(Series(), 0)
    path = save_dicom(dataset, tmp_path / "f")

    header = read_dicom_header(path)

    assert header.pixel_length == len(dataset.PixelData)
    assert path.read_bytes()[header.pixel_offset :] == dataset.PixelData


def test_pixels_of_an_implicit_file_can_be_read_in_place(tmp_path):
    dataset = a_slice(Series(), 0)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = save_dicom(dataset, tmp_path / "f")

    assert (
        path.read_bytes()[read_dicom_header(path).pixel_offset :] == dataset.PixelData
    )


def packed(path):
    path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def test_other_pixels_have_no_offset(tmp_path):
    whole = save_dicom(a_slice(Series(), 0), tmp_path / "cut")
    cut = truncate(whole, whole.stat().st_size - 1)
    small = save_dicom(compressed(a_slice(Series(), 0), RLELossless), tmp_path / "rle")
    gz = packed(save_dicom(a_slice(Series(), 0), tmp_path / "gz"))
    big = Path(str(get_testdata_file("MR_small_bigendian.dcm")))

    for path in (cut, small, gz, big):
        header = read_dicom_header(path)
        assert (header.pixel_offset, header.pixel_length) == (None, None)


@pytest.mark.parametrize("preamble", [True, False])
def test_file_packed_with_gzip_reads_as_the_file_itself(tmp_path, preamble):
    save = save_dicom if preamble else save_without_preamble
    path = save(a_slice(Series(rows=200, columns=300), 0), tmp_path / "f")
    plain = read_dicom_header(path)

    header = read_dicom_header(packed(path))

    assert header == replace(plain, pixel_offset=None, pixel_length=None)
    assert (header.has_pixels, header.truncated) == (True, False)


def test_compressed_file_packed_with_gzip_is_measured(tmp_path):
    dataset = compressed(a_slice(Series(rows=200, columns=300), 0), RLELossless)
    path = save_dicom(dataset, tmp_path / "f")
    cut = truncate(save_dicom(dataset, tmp_path / "cut"), path.stat().st_size - 10)

    assert not read_dicom_header(packed(path)).truncated
    assert read_dicom_header(packed(cut)).truncated


@pytest.mark.parametrize("part", [0.6, 0.99])
def test_packed_file_that_is_cut_is_truncated(tmp_path, part):
    path = save_dicom(a_slice(Series(rows=200, columns=300), 0), tmp_path / "f")

    assert read_dicom_header(truncate(packed(path), part)).truncated


def test_deflated_file_that_unpacks_to_too_much_is_refused(tmp_path):
    dataset = a_slice(Series(voxels=np.zeros((1, 1 << 14, 9 << 10), np.int16)), 0)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = save_dicom(dataset, tmp_path / "f")

    with pytest.raises(UnreadableScanError, match="cannot be read: ValueError"):
        read_dicom_header(path)


def test_header_survives_a_process_boundary_and_shares_its_text(tmp_path):
    first, second = (header_of(tmp_path, k=k) for k in (0, 1))

    third = pickle.loads(pickle.dumps(second))

    assert third == second
    assert third.series_instance_uid is first.series_instance_uid
    assert third.orientation_lps is first.orientation_lps
    assert len(pickle.dumps([first, second])) < 1.5 * len(pickle.dumps(first))


def test_enhanced_file_is_read_in_full_for_its_frames(tmp_path):
    dataset = a_slice(Series(), 0)
    dataset.SharedFunctionalGroupsSequence = [Dataset()]
    dataset.NumberOfFrames = 1

    header = read_dicom_header(save_dicom(dataset, tmp_path / "f"))

    assert header.number_of_frames == 1
    assert header.pixel_offset is not None


def test_values_that_another_file_has_as_another_kind_keep_theirs(
    tmp_path: Path,
) -> None:
    dataset = a_slice(Series(spacing_mm=(3.0, 3.0, 3.0)), 0)
    dataset.PixelPaddingValue = 3
    header = read_dicom_header(save_dicom(dataset, tmp_path / "a.dcm"))

    assert header.pixel_spacing_mm == (3.0, 3.0)
    assert repr(header.padding) == "(3, 3)"
    assert repr(pickle.loads(pickle.dumps(header)).padding) == "(3, 3)"
