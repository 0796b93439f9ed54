"""The template is read once for all tests of the cohort."""

import pytest

from voxray.demo.templates import Templates, load_templates


@pytest.fixture(scope="session")
def templates() -> Templates:
    return load_templates()
