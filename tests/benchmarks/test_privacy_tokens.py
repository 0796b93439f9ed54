"""No word that names a person leaves the private folders, whatever is run.

    make bench TESTS=tests/benchmarks/test_privacy_tokens.py

Words are planted in more than fifty places of a tiny cohort: elements of DICOM headers,
UIDs, file and folder names, archives, NIfTI headers, a PNG, masks of every kind, the
label table, the scans to score. The commands ingest, run, score and models are run as a
user would; then everything they wrote, and their screen, is searched.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.stages.token_cohort import TokenCohort
from tests.stages.token_search import Hit, TokenSearch

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]
PRIVATE = ("ingest", "score/private", "score/dicom")
"""Folders of a workspace that DESIGN and docs/concepts/privacy.md call private."""


@dataclass
class Ran:
    """What was run, and all that was on the screen."""

    cohort: TokenCohort
    workspace: Path
    out: Path
    home: Path
    screen: str = ""

    def voxray(self, *arguments: object, code: int = 0) -> None:
        """Run one command and keep what it says."""
        command = [sys.executable, "-m", "voxray", *map(str, arguments)]
        own = {"HOME": str(self.home), "VOXRAY_KEY_FILE": str(self.home / "key")}
        ran = subprocess.run(
            [*command, "--workspace", str(self.workspace), "--verbose"],
            env=os.environ | own,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == code, ran.stdout + ran.stderr
        self.screen += ran.stdout + ran.stderr

    def private(self) -> Iterator[Path]:
        """Folders that may hold names."""
        yield from (self.workspace / "tokens" / name for name in PRIVATE)
        yield from (self.out / "scored" / name for name in ("private", "dicom"))
        yield self.out / "first_look"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("tokens")
    cohort = TokenCohort(folder / "data")
    cohort.write()
    experiment = folder / "experiment.yaml"
    experiment.write_text(yaml.safe_dump(cohort.settings("tokens")))
    home = folder / "home"
    home.mkdir()
    ran = Ran(cohort, folder / "workspace", folder / "out", home)
    ran.voxray("ingest", cohort.root / "scans", "--out", ran.out / "first_look")
    ran.voxray("run", experiment)
    ran.voxray("run", experiment)
    model = ran.workspace / "tokens" / "model"
    ran.voxray("score", cohort.inbox, "--model", model, "--out", ran.out / "scored")
    ran.voxray("models", "list")
    ran.voxray("models", "show", "models:/tokens/1")
    return ran


def test_planted_words_are_in_private_folders_so_the_search_can_find_them(ran):
    search = TokenSearch(ran.cohort.tokens)
    hits = [hit for folder in ran.private() for hit in search.in_folder(folder)]
    assert {"patient id", "series uid", "file name", "other column value"} <= {
        hit.name for hit in hits
    }


def test_more_than_25_places_are_planted(ran):
    assert len(ran.cohort.tokens) >= 25
    print(f"\n{len(ran.cohort.tokens)} places")


def test_no_word_stands_in_the_workspace_or_the_scores(ran):
    search = TokenSearch(ran.cohort.tokens)
    hits = search.in_folder(ran.workspace, ran.private())
    hits += search.in_folder(ran.out, ran.private())
    assert told(hits) == []


def test_no_word_stands_on_the_screen(ran):
    hits = TokenSearch(ran.cohort.tokens).in_bytes(ran.screen.encode(), "screen")
    assert told(hits) == []


def test_no_word_stands_in_the_home_folder(ran):
    search = TokenSearch(ran.cohort.tokens)
    assert told(search.in_folder(ran.home)) == []


def told(hits: list[Hit]) -> list[str]:
    return sorted({f"{hit.name}: {hit.place}" for hit in hits})
