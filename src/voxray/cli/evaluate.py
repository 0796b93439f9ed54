"""`voxray evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from voxray.cli.command import ReadableIds, Shell, Workers, command
from voxray.cli.pipeline import Scans


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "evaluate")(evaluate)


def evaluate(  # noqa: PLR0913 - one argument per option
    shell: Shell,
    model: Annotated[
        str,
        typer.Argument(
            metavar="REF", help="models:/NAME@ALIAS, models:/NAME/3, or a folder."
        ),
    ],
    scans: Scans,
    *,
    out: Annotated[Path, typer.Option(help="Folder for scores, figures, the page.")],
    labels: Annotated[
        Path | None, typer.Option(help="Label table (CSV, TSV, Excel, Parquet).")
    ] = None,
    masks: Annotated[Path | None, typer.Option(help="Folder with masks.")] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the table that names the scan; as in training by default.",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="What it names: scan, exam, study, patient."),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column of the label; as in training by default."
        ),
    ] = None,
    patient: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="dicom, each_file, column:NAME or pattern:REGEX; as in training by "
            "default.",
        ),
    ] = None,
    precision: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="How well sensitivity at a local threshold is to be known: half of "
            "its interval's width.",
        ),
    ] = 0.05,
    readable_ids: ReadableIds = False,
    workers: Workers = None,
) -> int:
    """Judge a registered model on labelled scans that it never saw."""
    from voxray.stages.evaluate_elsewhere import EvaluateRequest, evaluate_command
    from voxray.stages.truth import labelled_scans

    given = labelled_scans(
        scans,
        labels,
        masks,
        {"key": key, "by": by, "column": column, "patient": patient},
    )
    request = EvaluateRequest(model, given, out, precision, readable_ids=readable_ids)
    return evaluate_command(request, shell.session(workers))
