import pickle

import pytest

from voxray.core import errors


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (errors.VoxrayError, 1),
        (errors.ConfigError, 2),
        (errors.DatasetError, 3),
        (errors.ManifestError, 3),
        (errors.LeakageError, 3),
        (errors.ScanError, 4),
        (errors.UnreadableScanError, 4),
        (errors.GeometryError, 4),
        (errors.GateError, 5),
        (errors.MachineError, 75),
    ],
)
def test_each_error_ends_a_command_in_its_code(error, exit_code):
    assert error.exit_code == exit_code
    assert issubclass(error, errors.VoxrayError)


@pytest.mark.parametrize(
    "kind", [errors.ScanError, errors.UnreadableScanError, errors.GeometryError]
)
def test_scan_error_crosses_a_process_boundary_whole(kind):
    copy = pickle.loads(pickle.dumps(kind("s-1", "no slice spacing")))

    assert type(copy) is kind
    assert (copy.scan_id, copy.problem) == ("s-1", "no slice spacing")
    assert str(copy) == "scan 's-1': no slice spacing"


def test_several_errors_are_one_that_running_again_mends_only_if_it_mends_all():
    away, wrong, torn = (
        errors.MachineError("away"),
        errors.ConfigError("wrong"),
        errors.ManifestError("torn"),
    )

    assert type(errors.joined([away])) is errors.MachineError
    assert type(errors.joined([away, torn])) is errors.ManifestError
    assert type(errors.joined([torn, away, wrong])) is errors.ConfigError
    assert str(errors.joined([torn, away])) == "torn\naway"
