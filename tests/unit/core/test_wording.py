import pytest

from voxray.core.wording import cut_in_words


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        (0.5, "0.5000"),
        (0.00012, "0.0001"),
        (2.3e-6, "2.3e-06"),
        (0.99999942, "0.99999942"),
        (0.0, "0"),
        (1.0, "1"),
    ],
)
def test_a_threshold_near_an_end_is_not_said_to_be_at_it(threshold, said):
    assert cut_in_words(threshold) == said
