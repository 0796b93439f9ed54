import pytest

from voxray.cli.threads import settle_threads


@pytest.mark.parametrize(
    "chosen", [{"GOMP_SPINCOUNT": "0"}, {"OMP_WAIT_POLICY": "ACTIVE"}]
)
def test_how_threads_wait_is_left_to_who_chose_it(chosen):
    ours: dict[str, str] = {}
    theirs = dict(chosen)
    settle_threads(ours)
    settle_threads(theirs)
    assert int(ours["GOMP_SPINCOUNT"]) > 0
    assert theirs == chosen
