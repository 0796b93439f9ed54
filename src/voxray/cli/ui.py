"""`voxray ui`."""

from typing import Annotated

import typer

from voxray.cli.command import Shell, command


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "ui")(ui)


def ui(
    shell: Shell,
    *,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port to serve at.")
    ] = 5000,
) -> int:
    """Open the MLflow UI of the workspace: runs, figures, models."""
    from voxray.stages.ui import serve_ui

    return serve_ui(shell.workspace, port, shell.screen.say)
