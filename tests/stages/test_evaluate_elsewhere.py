import csv
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.makers import write_mask
from tests.stages.labelled import (
    READABLE,
    a_request,
    a_truth,
    evaluated,
    write_labelled,
    write_toy,
)
from tests.stages.makers import a_session
from tests.unit.model.makers import a_package, a_plan, a_rule
from tests.unit.score.makers import write_scan
from voxray.core.errors import ConfigError, DatasetError
from voxray.core.specs import Calibration, Referral
from voxray.evaluate import read_lesions, read_predictions
from voxray.ingest import IntakeOptions, ingest_folder


@pytest.fixture
def said():
    return []


@pytest.fixture
def session(tmp_path, said):
    return a_session(tmp_path, said)


def scores(folder):
    with (folder / "out" / "scores.csv").open() as stream:
        return {row["scan_id"]: row for row in csv.DictReader(stream)}


def records_of(folder, scans=None):
    """What a model that was trained on this folder has seen."""
    rules = a_package(a_plan("classify")).rules
    options = IntakeOptions(scans or folder / "scans", rules, patient="each_file")
    return ingest_folder(options, READABLE).records


def test_figures_are_those_of_the_scores_at_the_registered_threshold(
    tmp_path, session, said
):
    write_labelled(tmp_path, 6)
    write_toy(tmp_path / "model")

    code, _, rows = evaluated(a_request(tmp_path), session)

    table = scores(tmp_path)
    p = np.array([float(table[f"c{n:02}"]["p_ill"]) for n in range(6)])
    truth = np.array([0, 1] * 3)
    assert code == 0
    assert rows["auc"]["value"] == pytest.approx(roc_auc_score(truth, p))
    flagged = np.array([table[f"c{n:02}"]["decision"] == "ill" for n in range(6)])
    assert rows["sensitivity"]["value"] == pytest.approx(flagged[truth == 1].mean())
    assert rows["specificity"]["value"] == pytest.approx((~flagged)[truth == 0].mean())
    assert "registered threshold of 0.5000" in rows["sensitivity"]["method"]
    assert rows["local_threshold"]["low"] is None
    assert "6 exams of 6 patients judged, 0 failed" in said[-1]
    assert (tmp_path / "out/report/index.html").is_file()
    assert (tmp_path / "out/figures/confusion.png").is_file()
    assert len(read_predictions(tmp_path / "out/predictions.parquet")) == 6


def test_tiny_probabilities_are_judged_as_they_were_decided(tmp_path, session):
    """Of a network that is far too sure, calibrated or not: all are about 1e-7."""
    write_labelled(tmp_path, 6)
    down = Calibration(kind="platt", intercept=-16)
    rule = a_rule().model_copy(update={"calibration": down})
    write_toy(tmp_path / "first", decision=rule)
    first = replace(a_request(tmp_path, str(tmp_path / "first")), out=tmp_path / "a")
    evaluated(first, session)
    said = sorted(
        row.probabilities["ill"]
        for row in read_predictions(tmp_path / "a/predictions.parquet")
    )
    assert rule.operating_point is not None
    middle = (said[2] + said[3]) / 2
    point = rule.operating_point.model_copy(update={"threshold": middle})
    cut = rule.model_copy(update={"operating_point": point})
    write_toy(tmp_path / "model", decision=cut)

    _, _, rows = evaluated(a_request(tmp_path), session)

    flagged = [row["decision"] == "ill" for row in scores(tmp_path).values()]
    ill = [name[-1] in "135" for name in scores(tmp_path)]
    assert said[5] < 1e-6
    assert sum(flagged) == 3
    right = sum(f and i for f, i in zip(flagged, ill, strict=True))
    assert rows["sensitivity"]["value"] == pytest.approx(right / 3)
    assert rows["specificity"]["value"] == pytest.approx(right / 3)


def test_a_table_that_covers_half_of_the_scans_is_said_with_numbers(
    tmp_path, session, said
):
    write_labelled(tmp_path, 8, n_labels=4)
    with (tmp_path / "labels.csv").open("a") as stream:
        stream.write("nobody,1,F\n")
    write_toy(tmp_path / "model")

    code, found, _ = evaluated(a_request(tmp_path), session)

    text = "\n".join(said)
    assert "cover 4 of 8 volumes (50%); the other 4 are not scored (no-label 4)" in text
    assert "1 row of the label table name no scan" in text
    assert found["account"]["exams_judged"] == 4
    assert code == 0
    assert evaluated(a_request(tmp_path), a_session(tmp_path, [], strict=True))[0] == 4


def test_patients_that_the_model_has_seen_are_left_out_and_counted(
    tmp_path, session, said
):
    write_labelled(tmp_path, 6)
    write_toy(tmp_path / "model", seen=records_of(tmp_path)[:2])

    _, found, rows = evaluated(a_request(tmp_path), session)

    assert "2 patients of 2 exams had a part in training" in "\n".join(said)
    assert found["account"]["excluded_patients"] == ["c00", "c01"]
    assert rows["auc"]["n_exams"] == 4


def test_patients_recognised_by_their_id_alone_are_told_apart(tmp_path, session, said):
    """Two places that number their patients alike are not one place."""
    write_labelled(tmp_path, 6)
    there = tmp_path / "there"
    for n, seed in enumerate((0, 70, 71)):  # c00 is the same scan, the others are not
        write_scan(there / f"c{n:02}.nii.gz", seed)
    write_toy(tmp_path / "model", seen=records_of(tmp_path, there))

    _, found, _ = evaluated(a_request(tmp_path), session)

    assert found["account"]["excluded_patients"] == ["c00", "c01", "c02"]
    assert "2 patients of these have only the id of a patient" in "\n".join(said)


def test_referred_exams_are_counted_among_those_that_are_judged(
    tmp_path, session, said
):
    write_labelled(tmp_path, 6)
    refer = Referral(at_most=0.9, uncertainty=0.0, n_patients=50)
    rule = a_rule().model_copy(update={"refer": refer})
    write_toy(tmp_path / "model", seen=records_of(tmp_path)[:2], decision=rule)

    _, found, _ = evaluated(a_request(tmp_path), session)

    assert found["account"]["exams_referred"] == 4
    assert "4 exams would be referred to a person" in "\n".join(said)


def test_when_all_patients_were_seen_nothing_is_judged(tmp_path, session):
    write_labelled(tmp_path, 2)
    write_toy(tmp_path / "model", seen=records_of(tmp_path))

    with pytest.raises(
        DatasetError, match=r"no labelled exam is left .* 2 patients of"
    ):
        evaluated(a_request(tmp_path), session)


def test_a_model_that_does_not_say_what_it_has_seen_is_said(tmp_path, session, said):
    write_labelled(tmp_path, 2)
    write_toy(tmp_path / "model", seen=None)

    evaluated(a_request(tmp_path), session)

    assert "does not say what it was trained on" in "\n".join(said)


def test_masks_are_measured_on_the_grid_of_the_scan(tmp_path, session):
    write_labelled(tmp_path, 3)
    write_toy(tmp_path / "model", "both")

    _, _, rows = evaluated(a_request(tmp_path, masks="masks"), session)

    (first, *_) = read_predictions(tmp_path / "out/predictions.parquet")
    assert rows["dice"]["n_exams"] == 3
    assert first.true_volume_ml["lesion"] == pytest.approx(8 * 10 * 6 / 1000)
    volume = float(scores(tmp_path)[first.exam_id]["volume_ml_lesion"])
    assert first.volume_ml["lesion"] == pytest.approx(volume)


def test_an_exam_whose_mask_cannot_be_used_is_counted_and_said(tmp_path, session, said):
    write_labelled(tmp_path, 3)
    write_mask(tmp_path / "masks" / "c01.nii.gz", (5, 5, 5), np.eye(4))
    write_toy(tmp_path / "model", "segment")

    _, found, rows = evaluated(a_request(tmp_path, labels=None, masks="masks"), session)

    assert rows["dice"]["n_exams"] == 2
    assert found["account"]["volumes_refused_by_intake"] == 1
    assert "intake refused 1 volume for the volume or its mask (" in "\n".join(said)


def test_lesions_are_counted_as_the_masks_are_and_have_no_froc(tmp_path, session):
    write_labelled(tmp_path, 12)
    truth = a_truth("segment", evaluate={"resamples": 200, "lesions": ["lesion"]})
    write_toy(tmp_path / "model", "segment", truth=truth)

    _, _, rows = evaluated(a_request(tmp_path, labels=None, masks="masks"), session)

    lesions = read_lesions(tmp_path / "out/lesions.parquet")
    drawn = [one for one in lesions if one.kind == "drawn"]
    predicted = [one for one in lesions if one.kind == "predicted"]
    assert len(drawn) == 12
    assert predicted
    assert {one.score for one in lesions} == {None}
    found = sum(one.match is not None for one in drawn)
    assert rows["lesion_sensitivity"]["value"] == pytest.approx(found / 12)
    assert "largest first" in rows["lesion_sensitivity"]["method"]
    false = sum(one.match is None for one in predicted)
    assert rows["false_positive_lesions_per_exam"]["value"] == pytest.approx(false / 12)
    assert not [name for name in rows if name.startswith("froc")]
    assert not (tmp_path / "out/figures/froc.png").exists()


def test_a_model_of_classes_and_masks_is_judged_by_what_is_given(
    tmp_path, session, said
):
    write_labelled(tmp_path, 3)
    write_toy(tmp_path / "model", "both")

    _, _, rows = evaluated(a_request(tmp_path, labels=None, masks="masks"), session)

    assert "dice" in rows
    assert "auc" not in rows
    assert "classes are not judged: no --labels were given" in said


def test_one_class_only_is_said_and_gives_no_misleading_figure(tmp_path, session):
    write_labelled(tmp_path, 4)
    (tmp_path / "labels.csv").write_text(
        "scan,state\n" + "".join(f"c0{n},1\n" for n in range(4))
    )
    write_toy(tmp_path / "model")

    _, _, rows = evaluated(a_request(tmp_path), session)

    assert rows["auc"]["value"] is None
    assert rows["specificity"]["value"] is None
    assert "all exams are positive" in rows["local_threshold"]["method"]


def test_exams_that_the_model_refuses_are_counted_with_their_truth(
    tmp_path, session, said
):
    write_labelled(tmp_path, 4)
    write_scan(tmp_path / "scans" / "c01.nii.gz", 1, spacing=3.0)
    write_toy(tmp_path / "model")

    _, found, _ = evaluated(a_request(tmp_path), session)

    assert found["account"]["exams_not_scored"] == 1
    assert (
        "1 labelled exam got no answer (outside-training-range 1); true are ill 1"
        in ("\n".join(said))
    )


def test_the_same_command_again_keeps_the_scores_and_gives_the_same_bytes(
    tmp_path, session
):
    write_labelled(tmp_path, 3)
    write_toy(tmp_path / "model")
    evaluated(a_request(tmp_path), session)
    first = (tmp_path / "out/evaluation.json").read_bytes()
    n_events = len((tmp_path / "out/status.jsonl").read_text().splitlines())

    evaluated(a_request(tmp_path), session)

    assert (tmp_path / "out/evaluation.json").read_bytes() == first
    assert len((tmp_path / "out/status.jsonl").read_text().splitlines()) == n_events


def test_columns_of_another_place_may_have_other_names(tmp_path, session):
    write_labelled(tmp_path, 4)
    text = (tmp_path / "labels.csv").read_text()
    renamed = text.replace("scan,state", "file,diagnosis").replace(",1,", ",ill,")
    (tmp_path / "labels.csv").write_text(renamed)
    write_toy(tmp_path / "model")

    request = a_request(tmp_path, key="file", column="diagnosis")
    _, found, _ = evaluated(request, session)

    assert found["account"]["exams_judged"] == 4


def test_a_model_of_an_older_voxray_asks_for_the_column(tmp_path, session):
    write_labelled(tmp_path, 3)
    write_toy(tmp_path / "model", truth=None)

    with pytest.raises(ConfigError, match=r"does not say in which column .*--column"):
        evaluated(a_request(tmp_path), session)
    request = a_request(tmp_path, column="state", patient="each_file")
    with pytest.raises(DatasetError, match=r"nothing|no labelled|none"):
        evaluated(request, session)  # classes go by their names there, not by 0 and 1


def test_subgroups_that_these_scans_lack_are_said(tmp_path, session, said):
    write_labelled(tmp_path, 4)
    truth = a_truth(evaluate={"resamples": 200, "subgroups": ["sex", "scanner"]})
    write_toy(tmp_path / "model", truth=truth)

    _, found, _ = evaluated(a_request(tmp_path), session)

    assert {m["subset"] for m in found["metrics"]} == {"all", "sex=F", "sex=M"}
    assert "no figures of a subgroup" in "\n".join(said)
    assert "'scanner'" in "\n".join(said)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"labels": None}, "is judged by --labels; give it"),
        ({"labels": "nothing.csv"}, "--labels: .* does not exist"),
        ({"patient": "somebody"}, "--patient 'somebody' is none of"),
        ({"patient": "pattern:("}, r"--patient 'pattern:\('"),
        ({"by": "moon"}, "--by 'moon' is none of scan, exam"),
    ],
)
def test_what_cannot_be_asked_is_refused(tmp_path, session, asked, problem):
    write_labelled(tmp_path, 1)
    write_toy(tmp_path / "model")

    with pytest.raises(ConfigError, match=problem):
        evaluated(a_request(tmp_path, **asked), session)


def test_without_patients_nothing_is_judged(tmp_path, session):
    write_labelled(tmp_path, 2)
    write_toy(tmp_path / "model", truth=a_truth(patient="dicom"))

    with pytest.raises(DatasetError, match="none of 2 scans has a PatientID"):
        evaluated(a_request(tmp_path), session)
