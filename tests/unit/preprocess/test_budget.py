import pytest

from tests.unit.model.makers import PLAIN_CPU
from voxray.preprocess import Machine, this_machine
from voxray.preprocess.budget import find_budget
from voxray.preprocess.machine import _container_limit

CPU = Machine("cpu", 16)


def test_enough_memory_changes_nothing():
    assert find_budget(CPU, None) == find_budget(CPU, 100)
    assert "near a second" in find_budget(CPU, None).reason


def test_a_gpu_holds_more_than_a_cpu_computes():
    gpu = find_budget(Machine("cuda", 24), None)
    assert gpu.input_voxels > 10 * find_budget(CPU, None).input_voxels


def test_stated_memory_counts_before_the_machines():
    small = find_budget(Machine("cuda", 80), 1)
    assert small.step_voxels < find_budget(Machine("cuda", 80), None).step_voxels
    assert small.input_voxels == small.step_voxels // 2
    assert small.reason.startswith("1.0 GB of memory hold")


def test_hopelessly_little_memory_leaves_a_smallest_step():
    assert find_budget(CPU, 0.1).step_voxels == 2 * 16**3


@pytest.mark.parametrize(("said", "limit"), [("2000\n", 2000), ("max\n", 9000)])
def test_a_container_may_have_less_than_its_machine(tmp_path, said, limit):
    path = tmp_path / "memory.max"
    path.write_text(said)
    assert _container_limit(path, 9000) == limit


def test_without_a_container_the_machine_counts(tmp_path):
    assert _container_limit(tmp_path / "memory.max", 9000) == 9000


def test_this_machine_has_memory():
    machine = this_machine(PLAIN_CPU)
    assert machine.device == "cpu"
    assert machine.memory_gb > 0.5


def test_a_class_compares_more_exams_a_step_while_the_memory_holds_them():
    much, little = find_budget(CPU, None), find_budget(CPU, 1.1)
    assert much.class_step_voxels > 2 * much.step_voxels
    assert little.class_step_voxels == little.step_voxels < much.step_voxels
