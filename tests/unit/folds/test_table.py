import pytest

from tests.unit.folds.makers import TWO_CLASSES, a_cohort, a_row
from voxray.core.errors import DatasetError, ManifestError
from voxray.core.specs import FoldsSpec
from voxray.folds import assign_folds, read_folds, training_patients, write_folds


def test_table_reads_back_as_it_was_written(tmp_path):
    rows = assign_folds(a_cohort(), TWO_CLASSES, FoldsSpec(repeats=2), 1)
    write_folds(rows, tmp_path / "folds.csv")

    assert read_folds(tmp_path / "folds.csv") == rows


def test_columns_are_those_of_the_documentation(tmp_path):
    write_folds([a_row("p, 1", 0)], tmp_path / "folds.csv")

    assert (tmp_path / "folds.csv").read_bytes() == (
        b'repeat,fold,patient_id,group,role\n0,0,"p, 1","p, 1",held_out\n'
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("repeat,fold,role\n", r"lacks the columns group, patient_id"),
        ("", r"lacks the columns fold"),
        ("repeat,fold,patient_id,group,role\n0,x,p,p,held_out\n", r"line 2: .*'x'"),
        ("repeat,fold,patient_id,group,role\n0,0,p,p,test\n", r"line 2: 'test' is not"),
        ("repeat,fold,patient_id,group,role\n0\n", r"line 2"),
    ],
)
def test_broken_table_is_refused_with_its_line(tmp_path, text, said):
    (tmp_path / "folds.csv").write_text(text)

    with pytest.raises(ManifestError, match=said):
        read_folds(tmp_path / "folds.csv")


def test_missing_table_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"cannot read 'folds.csv': .* stage 3"):
        read_folds(tmp_path / "folds.csv")


def test_training_patients_are_all_the_others():
    rows = [a_row("p00", 0), a_row("p01", 1)]

    patients = training_patients(rows, a_cohort(3), repeat=0, fold=0)

    assert patients.train == {"p01", "p02"}
    assert patients.validation == set()
    assert patients.held_out == {"p00"}


def test_fold_that_is_not_in_the_table_is_refused():
    with pytest.raises(DatasetError, match=r"nobody in repeat 0, fold 7"):
        training_patients([a_row("p00", 0)], a_cohort(3), repeat=0, fold=7)
