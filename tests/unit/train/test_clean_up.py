from dataclasses import replace

import numpy as np
import pytest

from voxray.core.records import PatientId
from voxray.core.specs import StructureCleanUp
from voxray.train.clean_up import Overlap, choose_rule, overlap_of

ML = 0.01
LARGEST = StructureCleanUp(keep_largest=True)


PATIENT = PatientId("p0")


def an_exam(sizes, shared, drawn):
    return Overlap(PATIENT, np.array(sizes), np.array(shared), drawn, ML)


def of_patients(exams):
    """Each exam of another patient."""
    return [replace(e, patient_id=PatientId(f"p{n}")) for n, e in enumerate(exams)]


def test_dice_counts_only_the_pieces_that_stay():
    exam = an_exam([100, 50], [80, 0], 100)
    assert exam.dice(StructureCleanUp()) == pytest.approx(160 / 250)
    assert exam.dice(LARGEST) == pytest.approx(160 / 200)


@pytest.mark.parametrize(("drawn", "dice"), [(0, 1.0), (9, 0.0)])
def test_nothing_left_is_right_only_where_nothing_is_drawn(drawn, dice):
    everything = StructureCleanUp(min_ml=1000)
    assert an_exam([5], [0], drawn).dice(everything) == dice
    assert an_exam([], [], drawn).dice(everything) == dice


def test_scattered_pieces_beside_one_organ_are_taken_out():
    organ = [an_exam([1000, 400, 300], [900, 0, 0], 1000)] * 6
    assert choose_rule(of_patients(organ)) == LARGEST


def test_specks_are_taken_out_where_there_are_two_lesions():
    lesions = [an_exam([300, 200, 5, 4], [280, 180, 0, 0], 500)] * 3
    none = [an_exam([8, 6], [0, 0], 0)] * 3
    assert choose_rule(of_patients(lesions + none)) == StructureCleanUp(min_ml=0.1)


@pytest.mark.parametrize(
    "exams",
    [
        [an_exam([1000, 400], [900, 0], 1000)] * 4,  # too few
        [an_exam([1000, 400], [900, 0], 1000)] * 4 + [an_exam([], [], 0)] * 9,
        [an_exam([100000, 1], [90000, 0], 100000)] * 9,  # too little to gain
        [an_exam([500, 400], [500, 400], 900)] * 9,  # two kidneys
        [],
    ],
)
def test_without_a_clear_gain_the_mask_is_left_alone(exams):
    assert choose_rule(of_patients(exams)).keeps_all


def test_many_exams_of_four_patients_choose_nothing():
    exams = [an_exam([1000, 400], [900, 0], 1000)] * 20
    four = [replace(e, patient_id=PatientId(f"p{n % 4}")) for n, e in enumerate(exams)]
    assert choose_rule(four).keeps_all


def test_a_patient_counts_once_however_many_exams_there_are():
    gains = of_patients([an_exam([1000, 400], [900, 0], 1000)] * 5)
    loses = an_exam([500, 400], [500, 400], 900)
    many = [replace(loses, patient_id=PatientId("many"))] * 40
    assert choose_rule(gains + many) == LARGEST


def test_an_overlap_knows_how_much_of_each_piece_is_drawn():
    said, drawn = np.zeros((9, 4, 4), bool), np.zeros((9, 4, 4), bool)
    said[1:3], said[6] = True, True
    drawn[2:4] = True
    found = overlap_of(PATIENT, said, drawn, ML)
    assert found.sizes.tolist() == [32, 16]
    assert found.shared.tolist() == [16, 0]
    assert found.drawn == 32
    assert overlap_of(PATIENT, np.zeros_like(said), drawn, ML).sizes.size == 0
