import pytest

from tests.unit.ingest.makers import a_header
from voxray.ingest.record import scanner_of


@pytest.mark.parametrize(
    ("maker", "model", "said"),
    [
        ("SIEMENS", "Avanto ", "SIEMENS Avanto"),
        ("Philips", "PHILIPS Ingenia", "PHILIPS Ingenia"),
        ("GE  MEDICAL", None, "GE MEDICAL"),
        (None, "Avanto", "Avanto"),
        (None, " ", None),
    ],
)
def test_a_scanner_is_its_manufacturer_and_model(maker, model, said):
    assert scanner_of(a_header(manufacturer=maker, scanner_model=model)) == said
