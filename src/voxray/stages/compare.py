"""Two runs or experiment folders on the same held-out exams: which one is ahead."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxray.core.comparison import ComparedFigure
from voxray.core.errors import ConfigError
from voxray.core.files import write_json
from voxray.core.specs import EvaluateSpec, Experiment
from voxray.core.wording import counted
from voxray.evaluate import (
    Pair,
    Settings,
    compare_pair,
    make_pair,
    metrics_to_json,
)
from voxray.report import (
    TABLE_HEADER,
    about_in_words,
    compared_methods,
    compared_rows,
    compared_sentences,
)
from voxray.stages.compared_sides import read_sides
from voxray.stages.frame import StageOutcome

COMPARED_HEADER = TABLE_HEADER
_SEED = Experiment.model_fields["seed"].default


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """What a person asks.

    Attributes:
        first: Experiment folder, its name in the workspace, run id or run name.
        second: The same, of what it is compared with.
        margin: How much worse the first may be and still be non-inferior.
        common: Compare what both have where one has more.
        out: JSON file to write.
    """

    first: str
    second: str
    margin: float | None = None
    common: bool = False
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """What is shown.

    Attributes:
        heading: What is compared.
        sentences: The answer.
        rows: Below `COMPARED_HEADER`.
        notes: How it was computed, what was left out.
        outcome: Predictions that were compared, and those that only one side has.
    """

    heading: str
    sentences: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]
    outcome: StageOutcome


def compare(request: CompareRequest, workspace: Path) -> Compared:
    """Pair the predictions of both, and say which is ahead.

    Raises:
        ConfigError: If one is not there, they predict different things, or the margin
            is none.
        DatasetError: If they do not have the same exams, patients, labels and folds.
        MachineError: If the MLflow store is away.
    """
    margin = request.margin
    if margin is not None and not 0 < margin < 1:
        msg = f"--margin must lie between 0 and 1, got {margin:g}"
        raise ConfigError(msg)
    first, second = read_sides(request.first, request.second, workspace)
    pair = make_pair(first, second, common=request.common)
    settings = Settings(EvaluateSpec(), _SEED)
    figures = compare_pair(pair, settings, margin)
    shown = _shown(pair, figures, settings, margin)
    if request.out is not None:
        write_json(request.out, _as_json(request, pair, figures, shown))
    return shown


def _shown(
    pair: Pair,
    figures: Sequence[ComparedFigure],
    settings: Settings,
    margin: float | None,
) -> Compared:
    about = next(figure.about for figure in figures if figure.headline)
    heading = about_in_words(about, pair.n_folds, pair.n_repeats)
    notes = [
        f"A: {pair.first.title}; B: {pair.second.title}; "
        f"intervals at {settings.level:.0%}, no adjustment for "
        f"{counted(len(figures), 'comparison')}; margin: "
        + ("none stated" if margin is None else f"{margin:g}"),
        *compared_methods(figures),
        *_left_out(pair),
    ]
    return Compared(
        heading,
        compared_sentences(figures, margin),
        compared_rows(figures),
        notes,
        StageOutcome(
            {"predictions": len(pair.first.predictions)},
            f"{counted(len(figures), 'figure')} compared",
            n_unused=sum(pair.left_out),
        ),
    )


def _left_out(pair: Pair) -> list[str]:
    """What only one of them has, in words."""
    said = [f"not compared: {pair.unshared}"] if pair.unshared else []
    if any(pair.left_out):
        n = len(pair.first.predictions)
        said.append(
            f"{counted(n, 'prediction')} that both have; left out: "
            f"{pair.left_out[0]} only in A, {pair.left_out[1]} only in B. Where the "
            "networks of one learned from patients that those of the other did not, "
            "the difference holds that too"
        )
    return said


def _as_json(
    request: CompareRequest,
    pair: Pair,
    figures: Sequence[ComparedFigure],
    shown: Compared,
) -> dict[str, object]:
    return {
        "a": pair.first.title,
        "b": pair.second.title,
        "margin": request.margin,
        "n_folds": pair.n_folds,
        "n_repeats": pair.n_repeats,
        "left_out": {"a": pair.left_out[0], "b": pair.left_out[1]},
        "sentences": list(shown.sentences),
        "figures": [
            {
                "about": str(figure.about),
                "headline": figure.headline,
                "answer": str(figure.answer),
                **dict(
                    zip(
                        ("a", "b", "difference"),
                        metrics_to_json(
                            [figure.first, figure.second, figure.difference]
                        ),
                        strict=True,
                    )
                ),
            }
            for figure in figures
        ],
    }
