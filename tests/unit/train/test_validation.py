import numpy as np
import pytest

from tests.unit.model.makers import PLAIN_CPU, a_network, a_plan
from tests.unit.train.makers import an_exam
from voxray.core.specs import FoldValues
from voxray.train.validation import ValidationPlan, plan_validation, validate


def n_looks(plan, steps, per_epoch):
    ends = [*range(per_epoch, steps, per_epoch), steps]
    begins = [0, *ends[:-1]]
    return [e for b, e in zip(begins, ends, strict=True) if plan.due(b, e, steps)]


def test_a_long_run_is_looked_at_twenty_times_and_at_its_end():
    wanted = plan_validation(30, 8000, a_plan("segment"))
    assert wanted == ValidationPlan(20, 12)
    looks = n_looks(wanted, 8000, 74)
    assert len(looks) == 20
    assert looks[-1] == 8000


@pytest.mark.parametrize("steps", [1, 20, 200, 2000])
def test_looking_costs_little(steps):
    plan = a_plan("segment")
    wanted = plan_validation(30, steps, plan)
    passes = wanted.times * wanted.n_exams * 4
    assert passes <= max(4, 0.03 * 3 * steps * plan.batch_size)


def test_of_a_huge_scan_the_part_around_the_structure_is_looked_at(tmp_path):
    exam = an_exam(tmp_path, 0, (64, 64, 64))
    np.save(exam.cached.image, np.full((1, 64, 64, 64), np.nan, np.float32))
    image = np.load(exam.cached.image, mmap_mode="r+")
    image[0, :24, :24, :24] = 0
    plan = a_plan("segment", input_shape=(8, 8, 8))
    network = a_network(plan)
    scores = validate(network, [exam], plan, FoldValues(n_exams=1), PLAIN_CPU)
    assert np.isfinite(scores["val_dice"])
