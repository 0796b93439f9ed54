"""Plans for the geometries of common data sets, looked at one by one."""

import math
from typing import Any

import pytest

from tests.unit.preprocess.makers import a_geometry
from voxray.core.specs import TaskSpec, TrainSpec
from voxray.preprocess import Machine, make_plan

LESION = {"classes": {"lesion": {"value": 1}}}
LABEL = {"column": "y", "classes": {"no": 0, "yes": 1}}
TASKS = {
    "mask": TaskSpec.model_validate({"segment": LESION}),
    "class": TaskSpec.model_validate({"classify": LABEL}),
    "both": TaskSpec.model_validate({"classify": LABEL, "segment": LESION}),
}
CPU, GPU = Machine("cpu", 16), Machine("cuda", 24)
SCANS: dict[str, list[Any]] = {
    "hippocampus": [((36, 50, 36), (1, 1, 1))] * 3 + [((43, 59, 47), (1, 1, 1))],
    "nodules": [((44, 43, 5), (0.7, 0.7, 2.5)), ((60, 80, 30), (0.7, 0.7, 1.25))],
    "28 px": [((28, 28, 1), (1, 1, 1))],
    "shapes": [((28, 28, 28), (1, 1, 1))],
    "chest film": [((2000, 2500, 1), (0.15, 0.15, 1))],
    "ultrasound": [((800, 600, 1), (0.1, 0.1, 1))],
    "brain": [((240, 240, 155), (1, 1, 1))],
    "abdomen": [
        ((512, 512, n), (0.75, 0.75, mm)) for n, mm in ((100, 5), (200, 2), (400, 1))
    ],
    "cine": [((256, 256, 10), (1.4, 1.4, 9))],
    "thick": [((512, 512, 20), (0.5, 0.5, 6))],
}


def planned(name, task="mask", machine=CPU, **train):
    scans = [a_geometry(*scan) for scan in SCANS[name]] * 40
    return make_plan({"image": scans}, TASKS[task], TrainSpec(**train), machine)


TABLE = [
    # name, task, machine, input, spacing, factors, batch
    ("hippocampus", "mask", CPU, (36, 56, 36), (1, 1, 1), (4, 8, 4), 2),
    ("hippocampus", "mask", GPU, (36, 56, 36), (1, 1, 1), (4, 8, 4), 16),
    ("28 px", "class", CPU, (28, 28, 1), (1, 1, 1), (4, 4, 1), 10),
    ("shapes", "class", CPU, (28, 28, 28), (1, 1, 1), (4, 4, 4), 10),
    ("chest film", "class", CPU, (288, 384, 1), (1.06, 1.06, 1.06), (32, 32, 1), 8),
    ("chest film", "class", GPU, (672, 832, 1), (0.46, 0.46, 1), (32, 32, 1), 10),
    ("chest film", "mask", CPU, (320, 320, 1), (0.27, 0.27, 1), (32, 32, 1), 2),
    ("ultrasound", "class", CPU, (384, 288, 1), (0.22, 0.22, 1), (32, 32, 1), 8),
    ("ultrasound", "mask", GPU, (800, 608, 1), (0.1, 0.1, 1), (32, 32, 1), 9),
    ("brain", "mask", CPU, (48, 48, 48), (1.12, 1.12, 1.12), (8, 8, 8), 2),
    ("brain", "mask", GPU, (128, 128, 128), (1, 1, 1), (16, 16, 16), 2),
    ("abdomen", "mask", CPU, (48, 48, 48), (2.1, 2.1, 2.1), (8, 8, 8), 2),
    ("abdomen", "mask", GPU, (176, 176, 64), (0.75, 0.75, 2), (16, 16, 8), 2),
    ("cine", "mask", CPU, (96, 96, 10), (1.4, 1.4, 9), (16, 16, 2), 2),
    ("cine", "mask", GPU, (256, 256, 10), (1.4, 1.4, 9), (16, 16, 2), 6),
    ("thick", "mask", CPU, (96, 96, 10), (0.57, 0.57, 6), (16, 16, 1), 2),
    ("thick", "mask", GPU, (320, 320, 20), (0.5, 0.5, 6), (16, 16, 2), 2),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]} {row[2].device}")
def test_plan_of_a_common_data_set(row):
    name, task, machine, shape, spacing, factors, batch = row
    plan = planned(name, task, machine)
    assert plan.input_shape == shape
    assert plan.spacing_mm == pytest.approx(spacing, abs=0.01)
    assert plan.network.factors == factors
    assert plan.batch_size == batch


@pytest.mark.parametrize("machine", [CPU, GPU])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", SCANS)
def test_every_plan_stays_within_what_the_machine_takes(name, task, machine):
    plan = planned(name, task, machine)
    most = 100_000 if machine is CPU else 2_100_000
    assert math.prod(plan.input_shape) < 1.4 * most
    assert plan.network.round_up(plan.input_shape) == plan.input_shape
    assert plan.whole_volume or task == "mask"
    assert min(plan.input_shape) >= 1
    assert len(plan.network.features) == len(plan.network.strides)


def test_thick_slices_are_halved_last_and_have_no_kernel_before():
    network = planned("thick").network
    assert network.strides[:4] == ((1, 1, 1), (2, 2, 1), (2, 2, 1), (2, 2, 1))
    assert network.kernels[:3] == ((3, 3, 1),) * 3


def test_nodules_fill_a_box_of_fixed_size():
    plan = planned("nodules", "both", input_mm=40.0)
    sides = [n * mm for n, mm in zip(plan.input_shape, plan.spacing_mm, strict=True)]
    assert sides == pytest.approx([40, 40, 40])
    assert plan.input_shape == (56, 56, 20)


@pytest.mark.parametrize("name", ["abdomen", "brain", "chest film"])
def test_little_memory_gives_a_smaller_input_and_says_so(name):
    usual, small = planned(name), planned(name, memory_gb=1.05)
    assert math.prod(small.input_shape) < math.prod(usual.input_shape)
    assert "1.1 GB of memory hold" in small.reasons["input_shape"]
