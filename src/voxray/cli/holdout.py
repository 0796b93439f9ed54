"""`voxray holdout`."""

from pathlib import Path
from typing import Annotated

import typer

from voxray.cli.command import Shell, command
from voxray.cli.pipeline import Sets


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "holdout")(holdout)


def holdout(
    shell: Shell,
    experiment: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT", help="Experiment file (YAML).")
    ],
    *,
    sets: Sets = None,
) -> int:
    """Look at the locked holdout with the registered model; the look is counted."""
    from voxray.stages.config import load_experiment
    from voxray.stages.holdout import holdout_command

    loaded = load_experiment(experiment, tuple(sets or ()))
    return holdout_command(loaded, shell.session())
