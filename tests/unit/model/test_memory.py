import pytest

from tests.unit.model.makers import PLAIN_CPU, a_plan
from voxray.model import fitting_exams, memory_limit, step_memory
from voxray.model.memory import SHARE, StepMemory, available_bytes


def test_twice_the_voxels_keep_about_twice_the_memory():
    once = step_memory(a_plan("segment", input_shape=(32, 32, 32)))
    twice = step_memory(a_plan("segment", input_shape=(64, 32, 32)))
    assert twice.per_exam / once.per_exam == pytest.approx(2, rel=0.05)
    assert twice.fixed == once.fixed


def test_an_exam_keeps_at_least_its_features():
    memory = step_memory(a_plan("segment", input_shape=(32, 32, 32)))
    assert memory.per_exam > 4 * 4 * 32**3


def test_as_many_exams_go_at_once_as_fit():
    memory = StepMemory(fixed=100, per_exam=10)
    assert fitting_exams(memory, 125, 4) == 2
    assert fitting_exams(memory, 1000, 4) == 4
    assert fitting_exams(memory, 105, 4) == 0
    assert fitting_exams(memory, 50, 4) == 0


def test_what_a_person_allows_is_the_limit():
    assert memory_limit(1.5, PLAIN_CPU) == 1.5e9


def test_else_a_share_of_what_is_available():
    assert 0 < memory_limit(None, PLAIN_CPU) < 2 * SHARE * available_bytes()


def a_machine(root, available_kb=None, limit=None, used=0, cached=None):
    if available_kb is not None:
        (root / "proc").mkdir()
        text = f"MemTotal: 99 kB\nMemAvailable: {available_kb} kB\n"
        (root / "proc" / "meminfo").write_text(text)
    if limit is not None:
        group = root / "sys" / "fs" / "cgroup"
        group.mkdir(parents=True)
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text(f"{used}\n")
        if cached is not None:
            text = f"anon 9\ninactive_file {cached}\nactive_file {cached}\nshmem 9\n"
            (group / "memory.stat").write_text(text)
    return root


@pytest.mark.parametrize(
    ("said", "available"),
    [
        ({"available_kb": 1000}, 1_024_000),
        ({"available_kb": 1000, "limit": 500_000, "used": 100_000}, 400_000),
        ({"available_kb": 1000, "limit": "max"}, 1_024_000),
        (
            {"available_kb": 1000, "limit": 500_000, "used": 400_000, "cached": 50_000},
            200_000,
        ),
        ({}, 8e9),
    ],
)
def test_the_control_group_of_a_container_counts(tmp_path, said, available):
    assert available_bytes(a_machine(tmp_path, **said)) == available
