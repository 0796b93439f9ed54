"""No word that names a person leaves the private folder in the stages before training.

The whole pipeline is searched by tests/benchmarks/test_privacy_tokens.py.
"""

from pathlib import Path

import pytest

from tests.stages.token_cohort import TokenCohort
from tests.stages.token_search import TokenSearch
from tests.unit.stages.makers import KEY
from voxray.core.progress import Progress
from voxray.core.specs import Experiment
from voxray.stages.run import Session, Span, run_experiment


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> TokenCohort:
    cohort = TokenCohort(tmp_path_factory.mktemp("tokens"))
    cohort.write()
    return cohort


def test_no_planted_word_is_said_or_written_outside_the_private_folder(
    cohort: TokenCohort, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []

    def listen(event: Progress) -> None:
        said.append(repr(event))

    experiment = Experiment.model_validate(cohort.settings("tokens"))
    session = Session(tmp_path / "workspace", KEY, say=said.append, listen=listen)

    code = run_experiment(experiment, session, Span("ingest", "split_folds"))

    search = TokenSearch(cohort.tokens)
    private = tmp_path / "workspace" / "tokens" / "ingest"
    assert code == 0
    assert search.in_folder(tmp_path, [private]) == []
    assert search.in_bytes("\n".join([*said, caplog.text]).encode(), "screen") == []
    assert {"series uid", "file name"} <= {h.name for h in search.in_folder(private)}
