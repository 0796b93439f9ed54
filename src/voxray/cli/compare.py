"""`voxray compare`."""

from pathlib import Path
from typing import Annotated

import typer

from voxray.cli import wording
from voxray.cli.command import Shell, command

_WHAT = "Experiment's folder, its name in the workspace, MLflow run id or run name."


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "compare")(compare)


def compare(
    shell: Shell,
    a: Annotated[str, typer.Argument(metavar="A", help=_WHAT)],
    b: Annotated[
        str, typer.Argument(metavar="B", help="The same, of what A is compared with.")
    ],
    *,
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="DIFFERENCE",
            help="How much lower the AUC or Dice of A may be and A still be "
            "non-inferior, such as 0.02; without it nothing is.",
        ),
    ] = None,
    common: Annotated[
        bool,
        typer.Option(
            "--common", help="Compare what both have where one has more exams."
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="JSON file for the figures.")] = None,
) -> int:
    """Say whether A is superior or non-inferior to B on the same held-out exams."""
    from voxray.stages.compare import COMPARED_HEADER, CompareRequest
    from voxray.stages.compare import compare as compare_both
    from voxray.stages.run import exit_code

    request = CompareRequest(a, b, margin, common, out)
    found = compare_both(request, shell.workspace)
    for line in (
        found.heading,
        *found.sentences,
        "",
        *wording.table(COMPARED_HEADER, found.rows),
        "",
        *found.notes,
    ):
        shell.screen.say(line)
    return exit_code([found.outcome], strict=shell.strict)
