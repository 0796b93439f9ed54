"""Commands that run stages: demo, ingest, run, score."""

from pathlib import Path
from typing import Annotated

import typer

from voxray.cli.command import ReadableIds, Shell, Workers, command

_FIRST, _LAST = "ingest", "report"

Scans = Annotated[
    Path,
    typer.Argument(
        metavar="SCANS",
        help="Folder with DICOM, NIfTI or picture files or archives, or one such file.",
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeatable."),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    command(app, "demo")(demo)
    command(app, "ingest")(ingest)
    command(app, "run")(run)
    command(app, "score")(score)


def demo(shell: Shell, *, workers: Workers = None, sets: Sets = None) -> int:
    """Run all eight stages on the embedded cohort; no GPU is needed."""
    from voxray.stages.demo import run_demo

    return run_demo(shell.session(workers), tuple(sets or ()))


def ingest(  # noqa: PLR0913 - one argument per option
    shell: Shell,
    scans: Scans,
    *,
    out: Annotated[Path, typer.Option(help="New private folder for the tables.")],
    masks: Annotated[Path | None, typer.Option(help="Folder with masks.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Label table (CSV, TSV, Excel, Parquet).")
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(help="YAML with settings of `data:`, or an experiment file."),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting, such as data.patient=each_file; repeatable.",
        ),
    ] = None,
    readable_ids: ReadableIds = False,
    workers: Workers = None,
) -> int:
    """Account for every file under SCANS; write tables and intake.html into OUT."""
    from voxray.stages.config import load_intake
    from voxray.stages.ingest import ingest_into

    given = {"scans": scans, "masks": masks, "labels": labels}
    paths = {key: path for key, path in given.items() if path}
    data, task = load_intake(rules, paths, sets=tuple(sets or ()))
    if readable_ids:
        data = data.model_copy(update={"ids": "path"})
    return ingest_into(data, out, shell.session(workers), task)


def run(  # noqa: PLR0913 - one argument per option
    shell: Shell,
    experiment: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT",
            help="Experiment file (YAML), or the name of one that voxray ships, such "
            "as hippocampus.",
        ),
    ],
    *,
    first: Annotated[
        str, typer.Option("--from", metavar="STAGE", help="First stage to run.")
    ] = _FIRST,
    last: Annotated[
        str, typer.Option("--until", metavar="STAGE", help="Last stage to run.")
    ] = _LAST,
    sets: Sets = None,
    force: Annotated[
        bool, typer.Option("--force", help="Run also what is up to date.")
    ] = False,
    workers: Workers = None,
) -> int:
    """Run the stages of an experiment that are not up to date."""
    from voxray.stages.config import load_experiment
    from voxray.stages.run import Span, run_experiment

    span = Span(first, last, force)
    loaded = load_experiment(experiment, tuple(sets or ()))
    return run_experiment(loaded, shell.session(workers), span)


def score(  # noqa: PLR0913 - one argument per option
    shell: Shell,
    scans: Scans,
    *,
    model: Annotated[
        str,
        typer.Option(
            metavar="REF", help="models:/NAME@ALIAS, models:/NAME/3, or a folder."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the scores.")],
    readable_ids: ReadableIds = False,
    workers: Workers = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Score at most so many scans.")
    ] = None,
) -> int:
    """Score a folder of new scans with a registered model."""
    from voxray.stages.run import ScoreRequest
    from voxray.stages.score import score_command

    request = ScoreRequest(scans, model, out, readable_ids=readable_ids, limit=limit)
    return score_command(request, shell.session(workers))
