"""What a header costs: read_dicom_header against pydicom up to the pixels, as a ratio.

    pytest -m bench -s tests/benchmarks/test_header_speed.py

Processor time of one process, in turns on the same files, the smallest of 7 rounds.
Generated CT slices of about 60 and 150 elements, private ones and sequences among them,
and, where VOXRAY_SHARED_DATA leads to them, slices of real scanners.
"""

import os
import pickle
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian
from tests.makers import Series, a_slice, save_dicom

from voxray.scan_io import read_dicom_header

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

ROUNDS = 7
WANTED_RATIO = 2.5
TYPICAL = {
    "StudyDate": "20200131",
    "SeriesDate": "20200131",
    "StudyTime": "101112.5",
    "SeriesTime": "101112.5",
    "AccessionNumber": "A1",
    "Manufacturer": "MAKER",
    "InstitutionName": "Clinic",
    "StudyDescription": "Chest routine",
    "SeriesDescription": "Lung 1.0 Br59",
    "StationName": "CT1",
    "ManufacturerModelName": "Model",
    "PatientBirthDate": "19500101",
    "PatientSex": "F",
    "PatientAge": "070Y",
    "BodyPartExamined": "CHEST",
    "KVP": "120",
    "ConvolutionKernel": "Br59",
    "PatientPosition": "HFS",
    "GantryDetectorTilt": "0",
    "ExposureTime": "500",
    "XRayTubeCurrent": "200",
    "AcquisitionNumber": "1",
    "SpecificCharacterSet": "ISO_IR 100",
    "WindowCenter": "-600",
    "WindowWidth": "1200",
}


def a_reference(code):
    item, inner = Dataset(), Dataset()
    inner.CodeValue, inner.CodingSchemeDesignator = code, "SRT"
    item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    item.ReferencedSOPInstanceUID = "1.2.3.4"
    item.PurposeOfReferenceCodeSequence = Sequence([inner])
    return item


def a_typical_slice(k, n_private):
    series = Series(n_slices=1, modality="CT", slope=1, intercept=-1024, extra=TYPICAL)
    dataset = a_slice(series, 0)
    dataset.InstanceNumber = k + 1
    dataset.ImagePositionPatient = [-170.5, -170.5, 1.25 * k]
    dataset.ReferencedImageSequence = Sequence([a_reference("T-1"), a_reference("T-2")])
    dataset.ProcedureCodeSequence = Sequence([a_reference("P-1")])
    block = dataset.private_block(0x0029, "VENDOR HEADER", create=True)
    for number in range(n_private):
        block.add_new(number, "LO" if number % 2 else "DS", f"{number}.5")
    dataset.Rows = dataset.Columns = 256
    dataset.PixelData = np.zeros(65536, np.int16).tobytes()
    return dataset


def write_typical(folder, n_private, syntax=None):
    paths = []
    for k in range(100):
        dataset = a_typical_slice(k, n_private)
        if syntax:
            dataset.file_meta.TransferSyntaxUID = syntax
        paths.append(save_dicom(dataset, folder / f"{k}.dcm"))
    return paths


def cpu_s(read, paths):
    began = time.process_time()
    for path in paths:
        read(path)
    return time.process_time() - began


def until_pixels(path):
    return pydicom.dcmread(path, stop_before_pixels=True)


def measured(name, paths):
    rounds = [
        (cpu_s(until_pixels, paths), cpu_s(read_dicom_header, paths))
        for _ in range(ROUNDS)
    ]
    theirs, ours = (
        1e6 * min(column) / len(paths) for column in zip(*rounds, strict=True)
    )
    n_elements = len(until_pixels(paths[0]))
    print(
        f"\n{name}: {n_elements} elements; pydicom {theirs:.0f} us, "
        f"voxray {ours:.0f} us, ratio {theirs / ours:.2f}"
    )
    return theirs / ours


@pytest.mark.parametrize("n_private", [10, 90])
@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian])
def test_header_costs_less_than_with_pydicom(tmp_path, n_private, syntax):
    paths = write_typical(tmp_path, n_private, syntax)

    assert measured(syntax.name if syntax else "explicit", paths) > WANTED_RATIO


def test_header_of_real_scanners_costs_less_than_with_pydicom():
    folder = Path(os.environ.get("VOXRAY_SHARED_DATA", "absent")) / "dicom"
    if not folder.is_dir():
        pytest.skip("VOXRAY_SHARED_DATA names no folder with dicom/ in it")
    for series in ("brain_study/11-T1post-18670", "dcm_qa_nih/In/20180918GE/mr_0004"):
        paths = sorted((folder / series).glob("*.dcm"))[:50]
        assert measured(series, paths) > WANTED_RATIO


def test_header_is_small_when_it_crosses_to_another_process(tmp_path):
    headers = [read_dicom_header(path) for path in write_typical(tmp_path, 10)]

    n_bytes = len(pickle.dumps(headers)) / len(headers)

    print(f"\n{n_bytes:.0f} bytes per header in a chunk of {len(headers)}")
    assert n_bytes < 400
