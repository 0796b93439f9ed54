import pytest

from voxray.core.findings import POLICY, Action, FindingCode, action_for


def test_every_code_has_one_row_in_the_table():
    assert set(POLICY) == set(FindingCode)


@pytest.mark.parametrize("code", list(FindingCode))
def test_every_row_says_what_was_seen_and_what_to_do(code):
    assert POLICY[code].meaning.endswith(".")
    assert POLICY[code].remedy.endswith(".")
    assert POLICY[code].action not in POLICY[code].choices


def test_codes_are_written_with_hyphens():
    assert all(
        code.value == code.name.lower().replace("_", "-") for code in FindingCode
    )


def test_experiment_overrides_the_default_action():
    code = FindingCode.DUPLICATE_SLICE

    assert action_for(code, {}) is Action.REPAIR
    assert action_for(code, {code: Action.REFUSE}) is Action.REFUSE
